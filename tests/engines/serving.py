"""A real HTTP server that serves one file, badly on demand."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Script:
    """How the next answers go wrong. Every list is used up from the front."""

    data: bytes
    etag: str | None = '"v1"'
    drops: list[int] = field(default_factory=list)
    """After so many bytes of the body the connection is cut."""
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    content_range: str | None = None
    """What an answer with a range says that it is, instead of the truth."""
    length: int | None = None
    """A content-length that is not true."""
    untold: bool = False
    """No content-length at all: the end of the connection ends the body."""
    location: str | None = None
    """Where the first answer redirects to."""
    compress: bool = False
    hold: threading.Event | None = None
    """After half of the body, wait for this."""
    half_sent: threading.Event = field(default_factory=threading.Event)
    asked: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def serving(script: Script) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            headers = {key.lower(): value for key, value in self.headers.items()}
            script.asked.append(headers | {"path": self.path, "method": self.command})
            self.close_connection = True
            if script.location is not None and self.path != "/there":
                self.send_response(302)
                self.send_header("location", script.location)
                self.send_header("connection", "close")
                self.send_header("content-length", "0")
                self.end_headers()
                return
            if body and script.statuses:
                self.send_response(script.statuses.pop(0))
                self.send_header("content-length", "0")
                self.end_headers()
                return
            data, start = script.data, 0
            wanted = headers.get("range", "")
            if wanted and script.ranges and headers.get("if-range") == script.etag:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(data):
                    self.send_response(416)
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                told = script.content_range or f"bytes {start}-{len(data) - 1}/{len(data)}"
                self.send_header("content-range", told)
            else:
                self.send_response(200)
            length = len(data) - start if script.length is None else script.length
            if not script.untold:
                self.send_header("content-length", str(length))
            if script.etag:
                self.send_header("etag", script.etag)
            if script.compress:
                self.send_header("content-encoding", "gzip")
            self.end_headers()
            if body:
                self.send(data[start:])

        def send(self, data: bytes) -> None:
            try:
                if script.drops:
                    self.wfile.write(data[: script.drops.pop(0)])
                    return
                half = len(data) // 2
                self.wfile.write(data[:half])
                script.half_sent.set()
                if script.hold is not None:
                    script.hold.wait(60)
                self.wfile.write(data[half:])
            except (ConnectionError, BrokenPipeError):
                pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        if script.hold is not None:
            script.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
