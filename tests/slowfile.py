"""A web server that sends half of a file and waits; who asks for the rest gets it."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path

from webserver import WebServer


class SlowFile(WebServer):
    """``with SlowFile(path) as server``: serves it as ``/slow.gguf``, whatever the query says."""

    def __init__(self, path: Path):
        super().__init__()
        self.content = path.read_bytes()
        self.ranges: list[str | None] = []
        """The ``Range`` of each request."""

    @property
    def half(self) -> int:
        return len(self.content) // 2

    @property
    def url(self) -> str:
        return f"{self.address}/slow.gguf"

    def get(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("range")
        self.ranges.append(wanted)
        begin = int(wanted[6:-1]) if wanted else 0
        size = len(self.content)
        request.send_response(206 if wanted else 200)
        request.send_header("etag", '"one"')
        if wanted:
            request.send_header("content-range", f"bytes {begin}-{size - 1}/{size}")
        request.send_header("content-length", str(size - begin))
        request.end_headers()
        request.wfile.write(self.content[begin : None if wanted else self.half])
        if not wanted:
            self.over.wait(600)
