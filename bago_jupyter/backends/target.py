"""Where an HTTP server is and how it wants to be spoken to: paths, headers, the key."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

from ..errors import SettingsError
from ..hidden import hide
from ..http1 import Pool, Response, kept
from ..trust.secret import Secret
from .base import Answering, Request
from .hushed import hushed

_VERSION = re.compile(r"/v\d+[a-z0-9]*(?=/|$)")
_SECRET = ("authorization", "x-api-key", "cookie")
"""Headers that hold what nobody else may see."""
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")


class Manner(NamedTuple):
    """How one type of server is spoken to."""

    bearer: bool = True
    """The key goes into ``Authorization: Bearer``; otherwise into ``x-api-key``, as Anthropic wants it."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Headers that it wants and a client may not have sent."""
    complete: bool = False
    """The URL's path stands where others have ``/v1``, even if it names no version."""


OPENAI = Manner()
ANTHROPIC = Manner(bearer=False, headers=((b"anthropic-version", b"2023-06-01"),))
"""https://docs.anthropic.com/en/api/versioning: every request names a version."""
GEMINI = Manner(complete=True)
"""https://ai.google.dev/gemini-api/docs/openai: ``/v1beta/openai/chat/completions``."""


class Target:
    """An origin, the prefix of its paths and the headers it wants; makes request heads.

    ``url`` is the base URL that OpenAI clients take. A version in its path (``/v1``, ``/api/paas/v4``)
    stands in place of the ``/v1`` of our paths; without one ``/v1`` is added. ``socket`` is the path of a
    Unix socket behind which the server is. Belongs to the node's loop.
    Raises :class:`SettingsError` for what is no such URL.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        key: Secret | None = None,
        manner: Manner = OPENAI,
        socket: str | None = None,
    ):
        host, port, secure, path = split(url)
        self.pool = Pool(host, port, tls=trusting() if secure else None, socket=socket)
        complete = manner.complete or _VERSION.search(path) is not None
        self._api = (path if complete else path + "/v1").encode()
        self._root = path.removesuffix("/v1").encode()
        self._manner = manner
        self.key = key
        name = f"[{host}]" if ":" in host else host
        authority = name if port == (443 if secure else 80) else f"{name}:{port}"
        lines = [f"host: {authority}", "user-agent: bago-jupyter", "accept-encoding: identity"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        for name, value in (headers or {}).items():
            if name.lower() in _SECRET:
                hide(value.removeprefix("Bearer "))
        self._fixed = ("\r\n" + "\r\n".join(lines) + "\r\n").encode("latin-1")
        self._starts: dict[bytes, bytes] = {}

    @property
    def key(self) -> Secret | None:
        """What it is asked with."""
        return self._key

    @key.setter
    def key(self, key: Secret | None) -> None:
        self._key = key
        if key is not None:
            hide(key.reveal())

    def head(self, request: Request) -> bytes:
        """The request head for ``request``, with its blank line."""
        start = self._starts.get(request.path)
        if start is None:
            start = self._starts[request.path] = self._start(b"POST", request.path)
        parts = [start, b"content-length: %d\r\nx-request-id: " % len(request.body), request.id.encode()]
        for name, value in request.headers:
            parts += (b"\r\n", name, b": ", value)
        if self._manner.headers:
            given = {name for name, _ in request.headers}
            for name, value in self._manner.headers:
                if name not in given:
                    parts += (b"\r\n", name, b": ", value)
        if self._key is not None:
            parts += (b"\r\n", self._key_line(self._key))
        parts.append(b"\r\n\r\n")
        return b"".join(parts)

    async def ask(self, method: str, path: str, body: bytes = b"", timeout: float = 5.0) -> Response:
        """``method path``, for what is not on the data path. Raises :class:`UpstreamFailed`."""
        lines: list[Iterable[bytes]] = [(b"content-type: application/json\r\n",)] if body else []
        lines += [(name, b": ", value, b"\r\n") for name, value in self._manner.headers]
        if self._key is not None:
            lines.append((self._key_line(self._key), b"\r\n"))
        head = self._start(method.encode(), path.encode()) + b"".join(b"".join(line) for line in lines)
        length = b"content-length: %d\r\n\r\n" % len(body) if method != "GET" else b"\r\n"
        return await self.pool.send(head + length, body, timeout)

    async def get(self, path: str, timeout: float = 5.0) -> Response:
        """``GET path``, for what is not on the data path. Raises :class:`UpstreamFailed`."""
        return await self.ask("GET", path, timeout=timeout)

    def begin(self, request: Request) -> Response | None:
        """Send ``request`` now, on a connection that was kept; ``None`` where there is none."""
        connection = kept(self.pool.idle)
        if connection is None:
            return None
        return connection.send(self.head(request), request.body, request.header_timeout, request.idle_timeout)

    async def send(self, request: Request, begun: Response | None = None) -> Answering:
        """Send ``request`` and wait for the head of the answer; ``begun`` is what :meth:`begin` made of it.
        An error is :func:`hushed`. Raises :class:`UpstreamFailed`."""
        response = await self.pool.send(
            self.head(request), request.body, request.header_timeout, request.idle_timeout, begun
        )
        return hushed(response, self.key)

    def _start(self, method: bytes, path: bytes) -> bytes:
        whole = self._api + path[3:] if path.startswith(b"/v1/") else self._root + path
        return method + b" " + whole + b" HTTP/1.1" + self._fixed

    def _key_line(self, key: Secret) -> bytes:
        name = b"authorization: Bearer " if self._manner.bearer else b"x-api-key: "
        return name + key.reveal().encode("latin-1", "replace")


@cache
def trusting() -> ssl.SSLContext:
    """The TLS context that trusts what this machine trusts; reading all those certificates takes 50 ms."""
    return ssl.create_default_context()


def split(url: str) -> tuple[str, int, bool, str]:
    """Host, port, whether it is TLS, and path of a URL. Raises :class:`SettingsError`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https") or _FORBIDDEN.search(url) or not url.isascii():
        raise SettingsError(
            f"{_shown(url)!r} is not an http:// or https:// URL, such as http://host:8000/v1.", param="url"
        )
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise SettingsError(
            "A URL holds no user name, key or query here; give the key by the environment.", param="url"
        )
    secure = parts.scheme == "https"
    return host, port or (443 if secure else 80), secure, parts.path.rstrip("/")


def _shown(url: str) -> str:
    """``url`` without what may be a password."""
    return re.sub(r"//.*@", "//", re.split(r"[?#]", url)[0])[:200]
