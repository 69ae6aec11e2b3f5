"""Images in a message: data URLs and base64 sources, links and URL sources."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidRequest
from .fields import refusal


def source_of(image_url: Any, place: str) -> dict[str, str]:
    """Anthropic's ``source`` for an ``image_url`` part, whose ``detail`` is only a wish."""
    url = image_url.get("url") if isinstance(image_url, dict) else image_url
    if not isinstance(url, str):
        raise InvalidRequest(f"{place}.image_url needs a url.", param=place)
    scheme = url[:8].lower()
    if scheme.startswith(("http://", "https://")):
        return {"type": "url", "url": url}
    if not scheme.startswith("data:"):
        raise InvalidRequest(f"{place}.image_url must be an http:, https: or data: URL.", param=place)
    head, comma, data = url[5:].partition(",")
    media, *options = head.split(";")
    if not comma or "base64" not in options or not media:
        raise InvalidRequest(
            f"{place}.image_url must be of the form data:image/png;base64,..., in base64.", param=place
        )
    media = "image/jpeg" if media == "image/jpg" else media
    return {"type": "base64", "media_type": media, "data": data}


def part_of(source: Any, place: str) -> dict[str, Any]:
    """The ``image_url`` part for Anthropic's ``source``."""
    kind = source.get("type") if isinstance(source, dict) else None
    if kind == "base64":
        media, data = source.get("media_type"), source.get("data")
        if not isinstance(media, str) or not isinstance(data, str):
            raise InvalidRequest(f"{place}.source needs media_type and data.", param=place)
        url = f"data:{media};base64,{data}"
    elif kind == "url":
        url = source.get("url")
        if not isinstance(url, str):
            raise InvalidRequest(f"{place}.source needs a url.", param=place)
    else:
        raise refusal(
            f"{place}.source", f"an image of source {kind!r} cannot be sent there", "chat completions"
        )
    return {"type": "image_url", "image_url": {"url": url}}
