"""What the head of a request must look like, beyond what the parser sees to."""

from __future__ import annotations

import re

import httptools

from ..errors import BodyTooLarge, InvalidRequest
from .incoming import Headers, Incoming
from .limits import MAX_HEADERS

OFFERS = frozenset({b"upgrade", b"connection", b"http2-settings"})
"""Headers with which a client offers to change the protocol."""
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d{0,5})?")
"""``uri-host [":" port]`` (RFC 9110, 7.2; RFC 3986, 3.2.2)."""
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]+)(.*)", re.DOTALL)


def check_head(incoming: Incoming) -> None:
    """Refuse what two programs could read in two ways. Raises :class:`InvalidRequest`.

    An absolute target (RFC 9112, 3.2.2) is made a plain one; its host counts then.
    """
    headers, first = incoming.headers, incoming.first
    if len(headers) > MAX_HEADERS:
        raise InvalidRequest(f"A request has at most {MAX_HEADERS} headers.")
    if len(headers) != len(first):
        for name in (b"host", b"transfer-encoding", b"content-length"):
            if [key for key, _ in headers].count(name) > 1:
                raise InvalidRequest(f"The header {name.decode()} stands there twice.")
    host = first.get(b"host")
    if host is None and not incoming.old:
        raise InvalidRequest("The header host is missing (RFC 9112, 3.2).")
    coding = first.get(b"transfer-encoding")
    if coding is not None and (incoming.old or coding.strip().lower() != b"chunked"):
        raise InvalidRequest("The only transfer coding that is read here is chunked, in HTTP/1.1.")
    length = first.get(b"content-length")
    if length is not None and not (length.isdigit() and len(length) < 20):
        raise InvalidRequest("The header content-length is not a number.")
    target = incoming.target
    if not target.startswith(b"/") and not (target == b"*" and incoming.method == b"OPTIONS"):
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None:
            raise InvalidRequest("The target of a request is a path, or a whole http:// URL.")
        host, path = absolute.groups()
        first[b"host"] = host
        incoming.target = path if path.startswith(b"/") else b"/" + path
    if host is not None and not _HOST.fullmatch(host):
        raise InvalidRequest("The header host names no host.")


def has_body(incoming: Incoming) -> bool:
    """Whether a body follows (RFC 9112, 6.3)."""
    first = incoming.first
    return b"transfer-encoding" in first or first.get(b"content-length", b"0").strip(b"0") != b""


def check_body(incoming: Incoming, limit: int) -> None:
    """Refuse a body by what the head says of it. Raises :class:`BodyTooLarge`."""
    first = incoming.first
    if int(first.get(b"content-length", b"0")) > limit:
        raise too_large(limit)
    if b"transfer-encoding" in first and (not limit or incoming.method in (b"GET", b"HEAD")):
        raise BodyTooLarge("This request takes no body; send none.")


def too_large(limit: int) -> BodyTooLarge:
    """The error for a body of more than ``limit`` bytes."""
    return BodyTooLarge(f"The request body is over {limit / 2**20:g} MiB; send less, or raise max_body.")


def without_offer(parser: httptools.HttpRequestParser, target: bytes, headers: Headers) -> bytes:
    """The head that ``parser`` has just read, without its offer to change the protocol.

    A server may go on as if there was none (RFC 9110, 7.8), but llhttp takes it for the end of HTTP.
    """
    method, version = parser.get_method(), parser.get_http_version().encode()
    if method == b"CONNECT":  # a target that is no path is refused
        method = b"GET"
    lines = [b"%b %b HTTP/%b" % (method, target, version)]
    lines += [name + b": " + value for name, value in headers if name not in OFFERS]
    said = [value.lower() for name, value in headers if name == b"connection"]
    if b"close" in [option.strip() for value in said for option in value.split(b",")]:
        lines.append(b"connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n"
