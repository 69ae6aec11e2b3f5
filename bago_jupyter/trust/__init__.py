"""Trust: certificates and TLS, connection keys, pairing, the paired nodes.

==================== =====================================================================================
:mod:`.tls`          contexts that trust pinned keys alone
:mod:`.connection_key` the text of a key; :mod:`.issued` the keys given out; :mod:`.pairing` their protocol
:mod:`.matching`     request and approve with a match code; its sides are :mod:`.asking`, :mod:`.approval`
:mod:`.team`         the team key; its sides are in :mod:`.joining`
:mod:`.peers`        whom this node is paired with, and their tokens
:mod:`.messages`     what travels
==================== =====================================================================================
"""
