"""A web server that sends half of a file and waits; who asks for the rest gets it."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class SlowFile:
    """``with SlowFile(path) as server``: serves it as ``/slow.gguf``, whatever the query says."""

    def __init__(self, path: Path):
        self.content = path.read_bytes()
        self.ranges: list[str | None] = []
        """The ``Range`` of each request."""
        self._over = threading.Event()

    @property
    def half(self) -> int:
        return len(self.content) // 2

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/slow.gguf"

    def __enter__(self) -> SlowFile:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
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
            self._over.wait(60)
