"""An OpenAI server whose models say what no model should."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAMES = ("plain", '<img src="http://names.example/x.png" onerror="window.pwned=1">')
HOSTILE = """<script>window.pwned = 1; fetch("http://script.example/")</script>

<img src="http://tag.example/x.png" onerror="window.pwned = 2"> <svg onload="window.pwned=3">
<iframe src="http://frame.example/"></iframe><link rel="stylesheet" href="http://style.example/">

![picture](http://picture.example/x.png) [script](javascript:window.pwned=4)
[data](data:text/html,<script>window.opener.pwned=5</script>) [good](http://link.example/page)
[http://bank.example/](http://thief.example/)

| a | b |
|---|---|
| <b>bold</b> | **bold** |

```html
<script>window.pwned = 6</script>
```

\u202eturned\u202c and \u05e9\u05dc\u05d5\u05dd

"""
LONG = "y" * 10_000


class BadModel:
    """``with BadModel() as server``: what it says depends on a word of the last message."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.left = threading.Event()
        """Set when a client of an endless answer has gone."""
        self._over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> BadModel:
        bad = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                models = [{"id": name, "object": "model", "owned_by": "x"} for name in NAMES]
                bad._json(self, 200, {"object": "list", "data": models})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path == "/v1/chat/completions":
                    bad._chat(self, body)
                else:
                    bad._json(self, 404, {"error": {"message": "Not here.", "code": "not_found"}})

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

    @staticmethod
    def _json(request: BaseHTTPRequestHandler, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        request.send_response(status)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _chat(self, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if not body.get("messages"):  # somebody tries what this server can do
            self._json(request, 400, {"error": {"message": "messages is missing", "code": "invalid"}})
            return
        self.asked.append(body)
        said = body["messages"][-1]["content"]
        if "refuse" in said:
            error = {"message": "No <b>today</b>.", "type": "invalid_request_error", "code": "no"}
            self._json(request, 400, {"error": error})
            return
        request.send_response(200)
        request.send_header("content-type", "text/event-stream")
        request.end_headers()
        with contextlib.suppress(ConnectionError):
            if "endless" in said:
                number = 0
                while not self._over.is_set():
                    number += 1
                    self._event(request, {"content": f"{number} "})
                    time.sleep(0.02)
            if "think" in said:
                self._event(request, {"reasoning_content": "Two and <b>two</b>."})
            for piece in pieces(HOSTILE + LONG if "hostile" in said else "Well, `yes`."):
                self._event(request, {"content": piece})
            self._event(request, {}, finish="stop")
            request.wfile.write(b"data: [DONE]\n\n")
            return
        self.left.set()

    @staticmethod
    def _event(request: BaseHTTPRequestHandler, delta: dict[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        event = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "m",
            "choices": [choice],
        }
        request.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        request.wfile.flush()


def pieces(text: str, size: int = 7) -> list[str]:
    """``text`` in tokens of a kind."""
    return [text[at : at + size] for at in range(0, len(text), size)]
