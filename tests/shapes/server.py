"""A server of the table: it answers as the name of the model says, over real sockets."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Mapping
from typing import Any, BinaryIO, Self

from shapes.shape import Shape, whole


class ShapeServer:
    """``with ShapeServer(shapes) as server``: ``/v1/models`` lists their names, each answers under its own.

    It runs in threads, so that tests of either kind can use it. :attr:`asked` holds the bodies of what was
    asked, oldest first.
    """

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = dict(shapes)
        self.asked: list[dict[str, Any]] = []

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        owner = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY: each write is a packet
                try:
                    while owner._one(self.rfile, self.wfile):
                        pass
                except OSError:  # the client has gone
                    pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _one(self, reader: Any, writer: Any) -> bool:
        """Answer one request; whether another may follow."""
        line = reader.readline().decode("latin-1")
        if not line.strip():
            return False
        method, path, _ = line.split(" ", 2)
        body = self._body(reader)
        if path.endswith("/models"):
            listed = [{"id": name, "object": "model"} for name in self.shapes]
            return self._write(writer, whole("", {"object": "list", "data": listed}))
        if method != "POST" or not path.endswith("/chat/completions"):
            return self._write(writer, whole("", {"error": {"message": "no route"}}, status=404))
        asked = json.loads(body)
        self.asked.append(asked)
        shape = self.shapes.get(asked.get("model"))
        return self._write(writer, shape or whole("", {"error": {"message": "no such model"}}, status=404))

    @staticmethod
    def _body(reader: Any) -> bytes:
        length = 0
        while (line := reader.readline().decode("latin-1")).strip():
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                length = int(value)
        return bytes(reader.read(length))

    @staticmethod
    def _write(writer: BinaryIO, shape: Shape) -> bool:
        for data in shape.writes:
            writer.write(data)
            writer.flush()
        return not shape.closes
