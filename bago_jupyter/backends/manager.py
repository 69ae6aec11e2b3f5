"""The manager of a Backend.AI cluster: which model services run there, and the tokens that open them."""

from __future__ import annotations

import asyncio
import email.utils
import re
import time
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from ..errors import UpstreamFailed, UpstreamTimeout, cause_of_status
from ..http1 import Pool, Response
from ..text import clean
from ..trust.secret import Secret
from .complaints import about_clock, about_version
from .failures import seconds
from .pacing import Pacing
from .signing import VERSION, Signer
from .target import split, trusting

TIMEOUT = 10.0
"""Seconds for a whole answer of the manager."""
DURATION = "1d"
"""How long a token is asked for. Managers keep every token they made, so not for minutes."""
WINDOW = 900.0
"""Seconds by which the clocks of both sides may differ."""
OLDEST = "v6.20230315"
"""API version with which model services began."""
MOST = 16 * 1024 * 1024
_VERSION = re.compile(r"v(\d{1,4})\.(\d{8})")


class ManagerRefused(UpstreamFailed):
    """Keys, clock, version or address are wrong, so that trying again changes nothing."""

    code = "manager_refused"


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A model service as ``GET /services`` lists it."""

    id: str
    name: str
    active_route_count: int = 0
    service_endpoint: str | None = None
    is_public: bool = False


class Token(msgspec.Struct, frozen=True):
    """Opens one service."""

    secret: Secret
    until: float | None
    """``exp`` of the JWT in seconds of the manager's clock, ``None`` where it is no such JWT."""
    now: float
    """The manager's clock when it was made."""


class _Token(msgspec.Struct):
    token: str


class _Hello(msgspec.Struct):
    version: str


class _Claims(msgspec.Struct):
    exp: float | None = None


class Manager:
    """Asks one manager with one key pair. Belongs to the node's loop.

    Every method raises :class:`UpstreamFailed`, :class:`ManagerRefused` where only a person can help.
    """

    def __init__(
        self,
        name: str,
        endpoint: str,
        access_key: str,
        secret_key: Secret,
        *,
        domain: str = "default",
        version: str = VERSION,
    ):
        self.name = name
        self.pacing = Pacing()
        """When it may be asked for news."""
        self._sign_as = partial(Signer, access_key, secret_key, endpoint, domain)
        self._version = version
        """The newest API version that may be asked for."""
        self._signer = self._sign_as(version)
        self._agreed = False
        """Whether the manager told its API version."""
        host, port, secure, _ = split(endpoint)
        self._pool = Pool(host, port, tls=trusting() if secure else None)

    async def services(self) -> tuple[list[Listed], dict[str, str]]:
        """All services, and a sentence for each entry that cannot be read."""
        body, _ = await self._ask("GET", "/services")
        listed, errors = [], {}
        for position, entry in enumerate(self._decode(body, list[msgspec.Raw], "the list of its services")):
            try:
                found = msgspec.json.decode(entry, type=Listed)
                listed.append(msgspec.structs.replace(found, name=_plain(found.name)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                errors[f"service {position + 1}"] = f"its entry in the list cannot be read ({error})"
        return listed, errors

    async def mint(self, service_id: str) -> Token:
        """A new token for a service."""
        path = f"/services/{quote(service_id, safe='')}/token"
        body, clock = await self._ask("POST", path, msgspec.json.encode({"duration": DURATION}))
        token = self._decode(body, _Token, "a token").token
        if not token.isascii() or not token.isprintable() or not token or " " in token:
            raise UpstreamFailed(f"The manager of {self.name} gave a token that cannot be sent.")
        return Token(Secret(token), expiry(token), clock)

    def close(self) -> None:
        """Let go of connections."""
        self._pool.close()

    async def _ask(self, method: str, path: str, body: bytes = b"") -> tuple[bytes, float]:
        """The body of the answer, and the manager's clock."""
        wait = self.pacing.barred - time.monotonic()
        if wait > 0:
            raise UpstreamFailed(
                f"The manager of {self.name} answered 429: it was asked too often, and is left alone for"
                f" another {wait:.0f} s.",
                retry_after=wait,
                cause="limit",
            )
        try:
            if not self._agreed:
                await self._agree()
            exchange, answer = await self._send(method, path, body)
        except UpstreamFailed:
            if method == "GET":
                self.pacing.silent(time.monotonic())
            raise
        clock = _clock(exchange)
        if exchange.status not in (200, 201):
            error = self._refusal(path, exchange, answer, clock)
            if exchange.status == 429:
                self.pacing.limited(time.monotonic(), error.retry_after)
            elif method == "GET":
                self.pacing.failed(time.monotonic())
            raise error
        if method == "GET":
            told = (_number(exchange, name) for name in (b"limit", b"remaining", b"window"))
            self.pacing.answered(time.monotonic(), *told)
        return answer, time.time() if clock is None else clock

    async def _agree(self) -> None:
        """Take the older of both API versions, as the official client does; the manager tells its own to
        anybody, and refuses one that it does not know."""
        exchange, answer = await self._send("GET", "/", b"", signed=False)
        try:
            told = msgspec.json.decode(answer, type=_Hello).version if exchange.status == 200 else ""
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            told = ""
        theirs, ours = _parsed(told), _parsed(self._version)
        older = theirs is not None and ours is not None and theirs < ours
        self._signer = self._sign_as(told if older else self._version)
        self._agreed = True

    async def _send(
        self, method: str, path: str, body: bytes, *, signed: bool = True
    ) -> tuple[Response, bytes]:
        """The head of the answer and its body. Raises :class:`UpstreamFailed` where there is none."""
        rel_url = self._signer.prefix + path
        headers = {"Host": self._signer.host}
        if signed:
            headers = self._signer.headers(method, rel_url, "application/json" if body else None)
        lines = [f"{method} {rel_url} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers.items()]
        lines += ["User-Agent: bago-jupyter", "Accept: application/json"]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        try:
            async with asyncio.timeout(TIMEOUT):
                exchange = await self._pool.send(head, body, TIMEOUT)
                try:
                    return exchange, await exchange.read_all(MOST)
                finally:
                    exchange.close()
        except TimeoutError:
            raise UpstreamTimeout(
                f"The manager of {self.name} ({self._signer.host}) sent no whole answer within {TIMEOUT:g} s."
            ) from None
        except UpstreamFailed as error:
            raise type(error)(
                f"The manager of {self.name} cannot be asked: {error.message}", cause=error.cause
            ) from None

    def _refusal(self, path: str, exchange: Response, answer: bytes, clock: float | None) -> UpstreamFailed:
        status, said = exchange.status, _said(answer)
        manager = f"The manager of {self.name}"
        what = f"{status}: {said}" if said else str(status)
        skew = None if clock is None else time.time() - clock
        if status in (400, 401) and (about_clock(said) or abs(skew or 0) > WINDOW):
            return ManagerRefused(
                f"{manager} refuses the time of this machine, {_by_how_much(skew)}; set the clock right, both"
                f" may differ by {WINDOW / 60:.0f} minutes at most."
            )
        if status == 401:
            return ManagerRefused(
                f"{manager} does not take the access key and secret key ({what}); check both, and that the"
                f" URL is the manager's own."
            )
        if status == 400 and about_version(said):
            self._agreed = False  # it may have been replaced by another one since it told its version
            return ManagerRefused(
                f"{manager} does not know the API version {self._signer.version} ({what}); give an older one"
                f" as the connection's version, {OLDEST} or newer."
            )
        if status == 403:
            return ManagerRefused(f"{manager} forbids this to the access key ({what}).")
        if status in (301, 302, 307, 308):
            to = (exchange.header(b"location") or b"").decode("latin-1")
            return ManagerRefused(
                f"{manager} is elsewhere (it answered {status} {_plain(to)}); use that URL."
            )
        if status in (404, 405) and path == "/services":
            return ManagerRefused(
                f"{self._signer.host} lists no model services at {self._signer.prefix}{path} ({what});"
                f" the URL must be that of a Backend.AI manager."
            )
        return UpstreamFailed(
            f"{manager} answered {what}.",
            retry_after=seconds(exchange.header(b"retry-after")),
            cause=cause_of_status(status) if status >= 429 else None,
        )

    def _decode(self, body: bytes, type: Any, what: str) -> Any:
        try:
            return msgspec.json.decode(body, type=type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ManagerRefused(
                f"{self._signer.host} answered something else than {what}; the URL must be that of the"
                f" cluster's manager, not of its web page."
            ) from None


def expiry(token: str) -> float | None:
    """``exp`` of a JWT (RFC 7519, 4.1.4), unverified: it only says when to ask for a new one."""
    import base64

    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(payload, type=_Claims).exp
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors too
        return None


def _parsed(version: str) -> tuple[int, str] | None:
    """``v9.20250722`` as something that can be compared; ``None`` for what is no such version."""
    match = _VERSION.fullmatch(version)
    return (int(match[1]), match[2]) if match else None


def _number(exchange: Response, name: bytes) -> float | None:
    """What ``X-RateLimit-NAME`` says, if it does."""
    value = exchange.header(b"x-ratelimit-" + name)
    try:
        return float(value.decode("latin-1")) if value is not None else None
    except ValueError:
        return None


def _clock(exchange: Response) -> float | None:
    """The ``Date`` of an answer (RFC 9110, 6.6.1) in seconds since the epoch."""
    date = exchange.header(b"date")
    try:
        return email.utils.parsedate_to_datetime((date or b"").decode("latin-1")).timestamp()
    except (TypeError, ValueError):
        return None


def _by_how_much(skew: float | None) -> str:
    if skew is None or abs(skew) < 60:
        return "but does not say by how much it is off"
    minutes = round(abs(skew) / 60)
    return f"which is {minutes:,} minutes {'ahead of' if skew > 0 else 'behind'} its own"


def _said(answer: bytes) -> str:
    """What a refusal says of itself: ``title`` and ``msg`` of a problem (RFC 9457)."""
    try:
        problem = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(problem, dict):
        return ""
    texts = [problem.get(key) for key in ("title", "msg")]
    return _plain(" ".join(text for text in texts if isinstance(text, str)))


def _plain(text: str) -> str:
    return clean(text, 200).rstrip(".")
