"""Foreign clients against a node whose models live on another node."""
