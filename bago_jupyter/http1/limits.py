"""What one connection may ask of the node, in bytes and seconds."""

from __future__ import annotations

FIRST_BYTE = 10.0
"""Seconds within which a new connection says something."""
HANDSHAKE = 10.0
"""Seconds of a TLS handshake."""
HEAD = 20.0
"""Seconds within which a request head is complete, once it has begun."""
BODY = 120.0
"""The same for its body."""
KEEP_ALIVE = 75.0
"""Seconds that an idle connection of a client is kept."""
MAX_HEAD = 128 * 1024
"""Bytes of a request head that may arrive before it is complete: the parser has no bound of its own, and
puts each piece behind the others by copying them all."""
MAX_HEADERS = 256
"""Header lines of a request."""
PIPELINED = 64
"""Requests of one connection that may wait behind the one that is answered."""
FEW = 8
"""Requests that wait while more is read: a client that goes away is noticed by reading only."""
FRAMING = 16 * 1024
"""Bytes beside the body that may arrive in one go: chunk extensions and trailers (RFC 9112, 7.1)."""
FRAMING_PER_BYTE = 8
"""The same for each byte of the body, over the whole of it: a chunk of one byte takes five more."""
LINGER = 2.0
"""Seconds for which a client that was refused may go on sending before its connection is cut, so that it
reads why (RFC 9112, 9.6)."""
LINGER_BYTES = 4 * 1024 * 1024
"""Bytes that it may send in that time; they are dropped."""
HIGH_WATER = 256 * 1024
"""Bytes that wait for a slow reader at which its writer is held back."""
