"""What a node says about itself in its TXT record, and the guarded way back from bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from ..text import clean, cut

SERVICE = "_bago._tcp.local."
MAX_STRING = 255
"""Bytes of one ``key=value`` string (RFC 6763, 6.1)."""
MAX_RECORD = 1300
"""Bytes of a whole TXT record, so that it fits into one Ethernet packet (RFC 6763, 6.2)."""
MAX_NAME = 63
MAX_WORD = 32
"""Characters of an engine's, an accelerator's or a version's name."""
MAX_ENGINES = 16
MAX_LABEL = 63
"""Bytes of an mDNS instance name (RFC 6763, 4.1.1)."""

_FINGERPRINT = re.compile(r"fp_[0-9a-f]{64}")
_DIGITS = re.compile(r"[0-9]{1,7}")


class BadRecord(ValueError):
    """A TXT record that is no announcement of a node; ``str(error)`` says why, without quoting it."""


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What a node tells its network about itself. Everything in it is claimed, nothing proven."""

    name: str
    fingerprint: str
    port: int
    version: str
    engines: tuple[str, ...] | None = None
    """Installed engines; ``None`` when none are, or when nobody knows."""
    models: int | None = None
    """Models in the node's library."""
    accelerator: str | None = None
    """``cuda``, ``metal``, ``rocm``, ``cpu``..."""

    @property
    def instance(self) -> str:
        """The mDNS instance name: the node's name and the first digits of its fingerprint.

        The digits let equal names live side by side. Dots would be taken for label boundaries.
        """
        digits = f" {self.fingerprint[3:11]}"
        return cut(clean(self.name, MAX_NAME).replace(".", "-"), MAX_LABEL - len(digits)) + digits


def properties(announcement: Announcement) -> dict[str, str]:
    """The keys and values of the TXT record; what is unknown has no key.

    Without engines there is no ``models`` either: nothing could run them.
    """
    found = {
        "name": cut(clean(announcement.name, MAX_NAME), MAX_STRING - len("name=")),
        "fingerprint": announcement.fingerprint,
        "port": str(announcement.port),
        "version": clean(announcement.version, MAX_WORD),
    }
    engines = ""
    for engine in _words(announcement.engines or ()):
        longer = f"{engines},{engine}" if engines else engine
        if len(longer.encode()) <= MAX_STRING - len("engines="):
            engines = longer
    if engines:
        found["engines"] = engines
        if announcement.models is not None:
            found["models"] = str(announcement.models)
    accelerator = clean(announcement.accelerator or "", MAX_WORD)
    if accelerator:
        found["accelerator"] = accelerator
    return found


def encode(announcement: Announcement) -> bytes:
    """The TXT record's bytes. Raises :class:`BadRecord` for what nobody could read back."""
    strings = [f"{key}={value}".encode() for key, value in properties(announcement).items()]
    text = b"".join(bytes([len(string)]) + string for string in strings)
    decode(text)
    return text


def decode(text: bytes) -> Announcement:
    """Read a TXT record that anybody may have sent. Raises :class:`BadRecord`.

    Keys match in any case and the first of equal keys counts (RFC 6763, 6.4); unknown keys are
    ignored, so that versions can differ.
    """
    found = _pairs(text)
    fingerprint = found.get("fingerprint", "")
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise BadRecord("its fingerprint is missing or is not fp_ and 64 hexadecimal digits")
    name = clean(found.get("name", ""), MAX_NAME)
    if not name:
        raise BadRecord("it has no name that could be shown")
    version = clean(found.get("version", ""), MAX_WORD)
    if not version:
        raise BadRecord("it has no version")
    port = _number(found.get("port", ""), "port")
    if not 1 <= port <= 65535:
        raise BadRecord("its port is not from 1 to 65535")
    return Announcement(
        name=name,
        fingerprint=fingerprint,
        port=port,
        version=version,
        engines=tuple(_words(found.get("engines", "").split(","))) or None,
        models=_number(found["models"], "models") if found.get("models") else None,
        accelerator=clean(found.get("accelerator", ""), MAX_WORD) or None,
    )


def _pairs(text: bytes) -> dict[str, str]:
    if len(text) > MAX_RECORD:
        raise BadRecord(f"it has more than {MAX_RECORD} bytes")
    found: dict[str, str] = {}
    for string in _strings(text):
        key, equals, value = string.partition(b"=")
        if not equals or not key:
            continue  # a flag, or a string that RFC 6763 says to ignore
        try:
            found.setdefault(key.decode("ascii").lower(), value.decode("utf-8"))
        except UnicodeDecodeError:
            raise BadRecord("it holds bytes that are no text") from None
    return found


def _strings(text: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(text):
        end = at + 1 + text[at]
        if end > len(text):
            raise BadRecord("it is cut off")
        yield text[at + 1 : end]
        at = end


def _number(text: str, what: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise BadRecord(f"its {what} is missing or is not a number")
    return int(text)


def _words(texts: Iterable[str]) -> Iterator[str]:
    kept: set[str] = set()
    for text in texts:
        word = clean(text.replace(",", " "), MAX_WORD)
        if word and word not in kept and len(kept) < MAX_ENGINES:
            kept.add(word)
            yield word
