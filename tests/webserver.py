"""A web server in threads of the test."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class WebServer:
    """``with`` it, it runs; who derives from it answers."""

    def __init__(self) -> None:
        self.over = threading.Event()
        """Set at the end; an answer that waits has to look at it."""

    def get(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a GET."""
        request.send_error(405)

    def post(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer a POST."""
        request.send_error(405)

    @property
    def address(self) -> str:
        """Its URL without a path."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        get, post = self.get, self.post

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                get(self)

            def do_POST(self) -> None:
                post(self, self.rfile.read(int(self.headers["content-length"])))

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
