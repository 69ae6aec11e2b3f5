"""How requests to a Backend.AI manager are signed: HMAC-SHA256 with a key for the day and the host.

The rules are those of the public client (``ai/backend/client/auth.py``, ``generate_signature``) and of the
manager's check (``ai/backend/manager/api/auth.py``, ``sign_request``): the manager signs again what it got
- the ``Date`` header as it stands, path and query as they stand, the ``Host`` header, the media type
without its parameters - and compares. It refuses dates more than 15 minutes off. The body is not signed.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

from ..errors import SettingsError
from ..trust.secret import Secret
from .target import split

VERSION = "v9.20250722"
"""API version that is asked for, the newest known."""
BODILESS = "text/plain"
"""Content type that a request without a body signs and sends."""
_NO_BODY = hashlib.sha256(b"").hexdigest()


def text_to_sign(method: str, rel_url: str, date: str, host: str, content_type: str, version: str) -> str:
    """What is signed. ``version`` is the header line of the API version, its name in lower case."""
    media_type = content_type.partition(";")[0].strip().lower()
    return "\n".join(
        (method.upper(), rel_url, date, f"host:{host}", f"content-type:{media_type}", version, _NO_BODY)
    )


def signing_keys(secret_key: Secret, day: str, host: str) -> tuple[bytes, bytes]:
    """The key of the ``day`` (``YYYYMMDD``, of the date in its own time zone) and that of the host on it."""
    of_day = hmac.digest(secret_key.reveal().encode(), day.encode(), "sha256")
    return of_day, hmac.digest(of_day, host.encode(), "sha256")


def signature(secret_key: Secret, day: str, host: str, text: str) -> str:
    """``text`` signed, in hexadecimal."""
    return hmac.digest(signing_keys(secret_key, day, host)[1], text.encode(), "sha256").hex()


class Signer:
    """Signs for one manager and one key pair. Immutable, thread-safe.

    Raises :class:`SettingsError` for an ``endpoint`` that is no http:// or https:// URL, and for texts that
    cannot stand in a header.
    """

    def __init__(
        self,
        access_key: str,
        secret_key: Secret,
        endpoint: str,
        domain: str = "default",
        version: str = VERSION,
    ):
        for name, text in (("access key", access_key), ("domain", domain), ("API version", version)):
            if not text or not text.isascii() or not text.isprintable() or " " in text:
                raise SettingsError(f"The {name} must be ASCII text without spaces.")
        if not secret_key:
            raise SettingsError("The secret key of a Backend.AI cluster is empty.")
        host, port, secure, self.prefix = split(endpoint)
        name = f"[{host}]" if ":" in host else host
        # HTTP clients leave the port of the scheme out of Host, and the manager signs the Host it got
        self.host = name if port == (443 if secure else 80) else f"{name}:{port}"
        self.domain = domain
        self.version = version
        self._access_key = access_key
        self._secret_key = secret_key

    def headers(
        self, method: str, rel_url: str, content_type: str | None = None, now: datetime | None = None
    ) -> dict[str, str]:
        """The headers that the manager wants with a request, ``Host`` included.

        ``rel_url`` is path and query exactly as they will be sent, :attr:`prefix` included; ``content_type``
        is ``None`` without a body; ``now`` is an aware time, the present if left out.
        """
        moment = (now or datetime.now(UTC)).astimezone(UTC)
        date, kind = moment.isoformat(), content_type or BODILESS
        text = text_to_sign(method, rel_url, date, self.host, kind, f"x-backendai-version:{self.version}")
        signed = signature(self._secret_key, moment.strftime("%Y%m%d"), self.host, text)
        return {
            "Host": self.host,
            "Date": date,
            "Content-Type": kind,
            "X-BackendAI-Version": self.version,
            "X-BackendAI-Domain": self.domain,
            "Authorization": f"BackendAI signMethod=HMAC-SHA256, credential={self._access_key}:{signed}",
        }
