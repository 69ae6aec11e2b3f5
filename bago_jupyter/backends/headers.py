"""Which headers pass this node, and which end here."""

from __future__ import annotations

FORWARDED = (b"accept", b"anthropic-version", b"anthropic-beta", b"openai-beta")
"""Headers of the client that a backend may see."""
JSON = (b"content-type", b"application/json")
"""What the body was found to be, whatever the client called it: llama-server takes only 8 KiB of what
curl sends without being told."""
DROPPED = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"transfer-encoding",
        b"te",
        b"trailer",
        b"upgrade",
        b"proxy-authenticate",
        b"date",
        b"server",
        b"set-cookie",
        b"content-length",
        b"x-request-id",
        b"request-id",
        b"x-bago-node",
        b"x-bago-attempts",
        b"x-bago-queue",
        b"location",
        b"refresh",
        b"link",
        b"alt-svc",
        b"clear-site-data",
        b"strict-transport-security",
        b"www-authenticate",
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-expose-headers",
        b"access-control-max-age",
    }
)
"""Headers of a backend that end here: hop by hop (RFC 9110, 7.6.1), ours to say, or for its own origin."""
