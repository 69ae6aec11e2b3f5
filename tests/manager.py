"""A Backend.AI manager and its model services over real HTTP, as strict as the real ones.

The check of a signature is written after the manager's own (``ai/backend/manager/api/auth.py``,
``check_date`` and ``sign_request``), that of a token after the proxy's before a service
(``ai/backend/appproxy/worker/proxy/frontend/http/base.py``). It shares no code with the package.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import formatdate

from faults import Call, Faults, Script

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
OTHERS_KEY = "AKIANABBDUSEREXAMPLE"
"""Of another user, with the same secret."""
MIXED_UP = "Credential/signature mismatch."
KNOWN = {
    "23.09.10": (
        "v5.20191215",
        "v6.20200815",
        "v6.20210815",
        "v6.20220315",
        "v6.20220615",
        "v6.20230315",
        "v7.20230615",
    ),
    "26.9.6": ("v8.20240315", "v8.20240915", "v9.20250722"),
}
"""The API versions that managers know (``VALID_VERSIONS``, from what matters here on), the newest last."""


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, title: str, msg: str = ""):
        super().__init__(title)
        self.status = status
        self.body = json.dumps(
            {"type": "https://api.backend.ai/probs/x", "title": title, "msg": msg}
        ).encode()


def parse(call: Call) -> tuple[str, str, dict[str, str]]:
    """Method, raw path with query, and headers by their lower-case names."""
    first, *lines = call.head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return method, path, headers


def media_type(headers: dict[str, str]) -> str:
    """The content type without parameters, as aiohttp's ``request.content_type`` tells it."""
    if "content-type" not in headers:
        return "application/octet-stream"
    message = Message()
    message["content-type"] = headers["content-type"]
    return message.get_content_type()


class ModelService:
    """An OpenAI server behind the cluster's proxy: only a token of the manager opens it, if it is not public.

    ``answer`` runs for every request that is let in and is not ``GET /v1/models``.
    """

    def __init__(
        self,
        name: str,
        models: list[str],
        answer: Script,
        *,
        routes: int = 1,
        public: bool = False,
        endpoint: str | None = "",
        owner: str = ACCESS_KEY,
        speaks: tuple[str, ...] | None = None,
    ):
        self.id = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        self.name = name
        self.models = models
        self.answer = answer
        self.routes = routes
        self.public = public
        self.endpoint = endpoint
        """Where it is listed; ``""`` is where its own server is."""
        self.owner = owner
        self.speaks = speaks
        """The paths after ``/v1/`` that are there; ``None`` is any."""
        self.refuses = 0
        """Status with which it refuses every token, even a good one."""
        self.holds: list[asyncio.Event] = []
        """Refusals wait for one each, as long as there are any."""
        self.life = 86400.0
        self.secret = hashlib.sha256(name.encode()).digest()
        self.revoked: set[str] = set()
        self.authorizations: list[str | None] = []
        self.asked: list[Call] = []
        self.server = Faults(self._serve)

    def token(self, number: int) -> str:
        """A JWT that opens this service (HS256, RFC 7519)."""
        claims = {"id": self.id, "exp": int(time.time() + self.life), "jti": number}
        signed = b".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims))
        mac = hmac.new(self.secret, signed, hashlib.sha256).digest()
        return (signed + b"." + _base64(mac)).decode()

    def listed(self) -> dict[str, object]:
        return {
            "id": self.id,
            "name": self.name,
            "replicas": 1,
            "desired_session_count": 1,
            "active_route_count": self.routes,
            "service_endpoint": self.server.url + "/" if self.endpoint == "" else self.endpoint,
            "is_public": self.public,
        }

    async def _serve(self, call: Call) -> None:
        method, path, headers = parse(call)
        self.authorizations.append(headers.get("authorization"))
        if self.refuses or not (self.public or self._opens(headers.get("authorization", ""))):
            if self.holds:
                await self.holds.pop().wait()
            await call.json(b'{"title":"E20008: Invalid authorization token"}', self.refuses or 401)
        elif (method, path) == ("GET", "/v1/models"):
            data = [{"id": model, "owned_by": "vllm", "max_model_len": 4096} for model in self.models]
            await call.json(json.dumps({"object": "list", "data": data}).encode())
        elif self.speaks is not None and path.removeprefix("/v1/") not in self.speaks:
            await call.json(b'{"detail":"Not Found"}', 404)
        elif self.speaks is not None and call.body == b"{}":
            await call.json(b'{"error":{"message":"Field required"}}', 400)
        else:
            self.asked.append(call)
            await self.answer(call)

    def _opens(self, authorization: str) -> bool:
        kind, _, token = authorization.partition(" ")
        if kind not in ("BackendAI", "Bearer") or token in self.revoked or token.count(".") != 2:
            return False
        signed, _, mac = token.rpartition(".")
        if not hmac.compare_digest(
            _base64(hmac.new(self.secret, signed.encode(), hashlib.sha256).digest()), mac.encode()
        ):
            return False
        payload = signed.partition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return bool(claims["id"] == self.id and claims["exp"] > time.time())


class Manager:
    """``async with Manager(service, ...) as manager``: a cluster's manager at ``manager.url``."""

    def __init__(
        self,
        *services: ModelService,
        prefix: str = "",
        clock: Callable[[], float] = time.time,
        release: str = "26.9.6",
    ):
        self.services = {service.id: service for service in services}
        self.extra: list[object] = []
        """Further entries of the list of services, as they stand."""
        self.prefix = prefix
        self.clock = clock
        self.release = release
        self.rate_limit = 10_000
        """Signed requests of the key within 15 minutes; all count, the refused ones too."""
        self.signed: list[float] = []
        """When each signed request came."""
        self.date_status = 400
        """``InvalidAuthParameters`` is a 400; gateways in front make a 401 of it."""
        self.minted: list[tuple[str, str]] = []
        """Name of the service, token."""
        self.mint: Callable[[ModelService, int], str] = ModelService.token
        self.before: Callable[[Call], Awaitable[bool]] | None = None
        """Runs before the check of a request; true if it has answered."""
        self.server = Faults(self._serve)

    @property
    def url(self) -> str:
        return self.server.url + self.prefix

    def minted_for(self, service: ModelService) -> list[str]:
        return [token for name, token in self.minted if name == service.name]

    def revoke(self, service: ModelService) -> None:
        """No token of ``service`` made so far opens it any more."""
        service.revoked |= set(self.minted_for(service))

    async def __aenter__(self) -> Manager:
        self._stack = AsyncExitStack()
        await self._stack.enter_async_context(self.server)
        for service in self.services.values():
            await self._stack.enter_async_context(service.server)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _serve(self, call: Call) -> None:
        if self.before is not None and await self.before(call):
            return
        method, path, _ = parse(call)
        date = b"date: " + formatdate(self.clock(), usegmt=True).encode() + b"\r\n"
        if (method, path) in (("GET", self.prefix + "/"), ("GET", self.prefix)):
            told = {"version": KNOWN[self.release][-1], "manager": self.release}
            await call.json(json.dumps(told).encode(), 200, date + self._limits(1000, 1000))
            return
        try:
            access_key = self._check(call)
            self._count()
            status, answer = self._route(call, access_key)
        except Refused as refused:
            await call.json(refused.body, refused.status, date)
        else:
            left = self.rate_limit - len(self.signed)
            await call.json(json.dumps(answer).encode(), status, date + self._limits(self.rate_limit, left))

    @staticmethod
    def _limits(limit: int, left: int) -> bytes:
        return (
            f"X-RateLimit-Limit: {limit}\r\nX-RateLimit-Remaining: {left}\r\nX-RateLimit-Window: 900\r\n"
        ).encode()

    def _count(self) -> None:
        """After ``rlim_middleware``: a rolling count, and nothing but the status in its refusal."""
        now = self.clock()
        self.signed = [at for at in self.signed if at > now - 900] + [now]
        if len(self.signed) > self.rate_limit:
            raise Refused(429, "You have reached your API query rate limit.")

    def _check(self, call: Call) -> str:
        """The access key that signed. Raises :class:`Refused` where its owner did not, just now."""
        method, path, headers = parse(call)
        raw_date = headers.get("date", "")
        try:
            date = datetime.fromisoformat(raw_date)
        except ValueError:
            raise self._out_of_time() from None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        now = datetime.fromtimestamp(self.clock(), UTC)
        if not now - timedelta(minutes=15) < date < now + timedelta(minutes=15):
            raise self._out_of_time()
        kind, _, rest = headers.get("authorization", "").partition(" ")
        if kind != "BackendAI":
            raise Refused(401, "Unauthorized access")
        given = dict(part.strip().split("=", 1) for part in rest.split(","))
        access_key, _, signature = given["credential"].partition(":")
        new = self.release.startswith("26.")
        if access_key not in (ACCESS_KEY, OTHERS_KEY):
            raise Refused(401, MIXED_UP, "Access key not found in HMAC" if new else "Access key not found")
        if given["signMethod"] != "HMAC-SHA256":
            raise Refused(400, "Missing or invalid authorization parameters.", "Unsupported method")
        if "x-backendai-version" not in headers:
            raise Refused(400, "Missing or invalid authorization parameters.", "API version missing")
        host = headers.get("host", "")
        text = (
            f"{method}\n{path}\n{raw_date}\nhost:{host}\ncontent-type:{media_type(headers)}\n"
            f"x-backendai-version:{headers['x-backendai-version']}\n{hashlib.sha256(b'').hexdigest()}"
        )
        key = hmac.new(SECRET_KEY.encode(), date.strftime("%Y%m%d").encode(), hashlib.sha256).digest()
        key = hmac.new(key, host.encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signature):
            raise Refused(401, MIXED_UP, "HMAC signature mismatch" if new else "Signature mismatch")
        if headers["x-backendai-version"] not in KNOWN[self.release]:
            raise Refused(400, "Bad request.", "Unsupported API version.")
        return access_key

    def _out_of_time(self) -> Refused:
        title = "Missing or invalid authorization parameters."
        return Refused(self.date_status, title, "Date/time sync error")

    def _route(self, call: Call, access_key: str) -> tuple[int, object]:
        method, path, _ = parse(call)
        if not path.startswith(self.prefix + "/services"):
            raise Refused(404, "Unknown URL path.")
        rest = path.removeprefix(self.prefix + "/services").partition("?")[0].strip("/")
        if (method, rest) == ("GET", ""):
            own = [service for service in self.services.values() if service.owner == access_key]
            return 200, [service.listed() for service in own] + self.extra
        id, _, verb = rest.partition("/")
        if method != "POST" or verb != "token" or id not in self.services:
            raise Refused(404, "No such object.")
        asked = json.loads(call.body)
        if not asked.get("duration") and not asked.get("valid_until"):
            raise Refused(400, "Missing or invalid API parameters.")
        token = self.mint(self.services[id], len(self.minted))
        self.minted.append((self.services[id].name, token))
        return 200, {"token": token}


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
