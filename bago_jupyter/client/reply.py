"""What has arrived of a streamed chat answer."""

from __future__ import annotations

import json
from typing import Any

import httpx

from .answers import error_of


class Reply:
    """What has arrived of a streamed chat answer; complete once the iteration ends."""

    def __init__(self, headers: httpx.Headers):
        self.text = ""
        self.reasoning = ""
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self.timings: dict[str, Any] | None = None
        self.request_id = headers.get("x-request-id")
        self.node = headers.get("x-bago-node")
        self.attempts = headers.get("x-bago-attempts")

    def feed(self, data: str) -> str:
        """Take one SSE data line; return the new text of the answer."""
        if data == "[DONE]":
            return ""
        event = json.loads(data)
        if "error" in event:
            raise error_of(event["error"])
        self.usage = event.get("usage") or self.usage
        self.timings = event.get("timings") or self.timings
        new = ""
        for choice in event.get("choices", ()):
            delta = choice.get("delta") or {}
            new += delta.get("content") or ""
            self.reasoning += delta.get("reasoning_content") or ""
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        self.text += new
        return new
