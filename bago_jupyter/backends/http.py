"""A server that speaks OpenAI's HTTP API at a URL."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from ..errors import SettingsError
from ..relay import Exchange, Pool
from ..router import Offer
from .base import Opened, Request, nothing


class Target:
    """An origin, the prefix of its paths and the headers it wants; makes request heads."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"{url!r} is not an http:// or https:// URL.", param="url")
        secure = parts.scheme == "https"
        self.pool = Pool(
            parts.hostname,
            parts.port or (443 if secure else 80),
            tls=ssl.create_default_context() if secure else None,
        )
        self._prefix = parts.path.rstrip("/").removesuffix("/v1").encode()
        lines = [f"host: {self.pool.authority}", "user-agent: bago-jupyter"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._fixed = ("\r\n" + "\r\n".join(lines) + "\r\n").encode("latin-1")
        self._starts: dict[bytes, bytes] = {}

    def head(self, request: Request) -> bytes:
        """The request head for ``request``, with its blank line."""
        start = self._starts.get(request.path)
        if start is None:
            start = b"POST " + self._prefix + request.path + b" HTTP/1.1" + self._fixed
            self._starts[request.path] = start
        parts = [start, b"content-length: %d\r\nx-request-id: " % len(request.body), request.id.encode()]
        for name, value in request.headers:
            parts += (b"\r\n", name, b": ", value)
        parts.append(b"\r\n\r\n")
        return b"".join(parts)

    async def get(self, path: str, timeout: float = 5.0) -> Exchange:
        """``GET path``, for what is not on the data path."""
        head = b"GET " + self._prefix + path.encode() + b" HTTP/1.1" + self._fixed + b"\r\n"
        return await self.pool.send(head, b"", timeout)

    async def send(self, request: Request) -> Exchange:
        """Send ``request`` and wait for the head of the answer."""
        return await self.pool.send(self.head(request), request.body, request.header_timeout)


class HttpBackend:
    """An OpenAI-compatible server with a fixed list of models."""

    kind = "openai"

    def __init__(self, name: str, url: str, models: Iterable[str], *, slots: int = 64):
        self.id = f"{self.kind}:{name}"
        self.node = name
        self._target = Target(url)
        self._offers = tuple(
            Offer(
                backend=self.id,
                node=name,
                model=model,
                tasks=frozenset({"generate", "embed", "rerank"}),
                slots=slots,
            )
            for model in models
        )

    def offers(self) -> Iterable[Offer]:
        return self._offers

    async def open(self, request: Request, offer: Offer) -> Opened:
        return Opened(await self._target.send(request), nothing)

    async def close(self) -> None:
        self._target.pool.close()
