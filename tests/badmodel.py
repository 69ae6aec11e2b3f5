"""An OpenAI server whose models say what no model should."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

from webserver import WebServer

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


class BadModel(WebServer):
    """``with BadModel() as server``: what it says depends on a word of the last message."""

    def __init__(self, names: Sequence[str] = NAMES) -> None:
        super().__init__()
        self.names = names
        self.asked: list[dict[str, Any]] = []
        self.left = threading.Event()
        """Set when a client of an endless answer has gone."""

    @property
    def url(self) -> str:
        return f"{self.address}/v1"

    def get(self, request: BaseHTTPRequestHandler) -> None:
        models = [{"id": name, "object": "model", "owned_by": "x"} for name in self.names]
        self._json(request, 200, {"object": "list", "data": models})

    def post(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if request.path == "/v1/chat/completions":
            self._chat(request, json.loads(body))
        else:
            self._json(request, 404, {"error": {"message": "Not here.", "code": "not_found"}})

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
                while not self.over.is_set():
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
