"""How the protocols of this package say no."""

from __future__ import annotations

from ..errors import Forbidden, InvalidRequest


class BadKey(InvalidRequest):
    """A connection key that cannot be used: damaged, expired, of another version, or no key at all."""

    code = "bad_connection_key"


class Refused(Forbidden):
    """The other side, or this one, does not go on with the pairing."""

    code = "pairing_refused"


class BadMessage(InvalidRequest):
    """A message of a pairing protocol that cannot be read."""

    code = "bad_pairing_message"
