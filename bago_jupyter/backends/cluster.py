"""A Backend.AI cluster: the models of its services, found through its manager."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from ..errors import BagoError, Unavailable, Unsupported, UpstreamFailed
from ..router import Offer
from ..router.breaker import counts
from ..router.offer import Health
from ..router.shape import Dialect, Task
from ..trust.secret import Secret
from .base import Answering, Opened, Request
from .dialects import COUNT
from .http import DIALECT_HEADERS, TASKS, Found, able, answerable
from .manager import Listed, Manager
from .service import Service
from .signing import VERSION
from .splice import replace_model

if TYPE_CHECKING:
    from .translate import Translation

NATIVE: frozenset[Dialect] = frozenset({"chat", "completions", "embeddings", "rerank", "responses"})
"""What vLLM, SGLang and llama-server speak, which is what services run."""


class ServicesFailed(UpstreamFailed):
    """The manager answers, but none of the services that it lists does."""

    code = "services_failed"


class ClusterBackend:
    """The model services of one Backend.AI cluster. Belongs to the node's loop.

    Whoever follows the cluster calls :meth:`refresh` from time to time, and sets :attr:`health` and the
    settings of its connection. Raises :class:`~bago_jupyter.errors.SettingsError` for a wrong URL.
    """

    kind = "backend_ai_cluster"

    def __init__(
        self,
        name: str,
        endpoint: str,
        access_key: str,
        secret_key: Secret,
        *,
        domain: str = "default",
        version: str = VERSION,
        slots: int = 64,
    ):
        self.id = f"{self.kind}:{name}"
        self.node = name
        self.found: tuple[Found, ...] = ()
        """The models of all services, as of the latest :meth:`refresh`."""
        self.native = NATIVE
        self.tasks = TASKS
        self.health: Health = "healthy"
        self.reason: str | None = None
        self.slots = slots
        self.priority = 0
        self.weight = 1.0
        self.share = False
        self._manager = Manager(name, endpoint, access_key, secret_key, domain=domain, version=version)
        self._services: dict[str, Service] = {}
        self._listed: list[Listed] = []
        self._unusable: dict[str, str] = {}
        self._turn = 0

    async def refresh(self) -> tuple[Found, ...]:
        """Ask for services, tokens and models anew, and return the models.

        Raises :class:`~.manager.ManagerRefused` or :class:`UpstreamFailed` when the manager fails - what is
        known stays in use then -, :class:`ServicesFailed` when every service does, and :class:`Unavailable`
        when no service has an active route.
        """
        await self.hear_news()
        await self.check(self._services.values())
        self.complain()
        return self.found

    async def hear_news(self) -> None:
        """Ask the manager which services there are. Raises as :meth:`refresh` does when it fails."""
        self._listed, errors = await self._manager.services()
        live = [entry for entry in self._listed if entry.active_route_count > 0 and entry.service_endpoint]
        self._unusable = errors | self._take(live)

    async def check(self, services: Iterable[Service]) -> None:
        """Look how ``services`` are, and which models they have. Raises nothing for what is wrong there."""
        asked = list(services)
        outcomes = await asyncio.gather(*(service.check() for service in asked), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None and not isinstance(outcome, BagoError):
                raise outcome
        found: dict[str, Found] = {}
        for service in self._services.values():
            for model in service.models.values():
                known = found.get(model.id)
                found[model.id] = model if known is None else _narrower(known, model)
        self.found = tuple(found.values())

    @property
    def errors(self) -> dict[str, str]:
        """Why services with an active route cannot be used, by their names."""
        failing = {service.listed.name: service.error for service in self._services.values() if service.error}
        return self._unusable | failing

    def offers(self) -> Iterable[Offer]:
        dialects = answerable(self.native)
        for model in self.found:
            health, reason = self._health(model.id)
            yield Offer(
                backend=self.id,
                node=self.node,
                model=model.id,
                tasks=self._tasks(model),
                health=health,
                reason=reason,
                context_length=model.context_length,
                dialects=dialects,
                shared=self.share,
                slots=self.slots,
                priority=self.priority,
                weight=self.weight,
            )

    async def open(self, request: Request, offer: Offer) -> Opened:
        """Send ``request`` to a service that has the model, to the next one if that fails.

        Raises :class:`Unsupported` for a dialect that is not spoken there, :class:`Unavailable` where no
        service has the model any more, and :class:`UpstreamFailed`.
        """
        sent, translation = self._prepared(request, offer.model)
        services = sorted(
            (service for service in self._services.values() if offer.model in service.models),
            key=lambda service: service.busyness,
        )
        last: UpstreamFailed | None = None
        for position, service in enumerate(services):
            release = self._enter(service)
            try:
                exchange = await service.send(sent)
            except UpstreamFailed as error:
                release()
                last = error
                continue
            except BaseException:
                release()
                raise
            if counts(exchange.status) and position + 1 < len(services):
                exchange.close()
                release()
                continue
            answering: Answering = exchange
            if translation is not None:
                try:
                    answering = translation.exchange(exchange, request.stream)
                except BaseException:
                    exchange.close()
                    release()
                    raise
            return Opened(answering, release, service.key)
        raise last or Unavailable(f"No service of {self.node} has {offer.model} any more.")

    async def close(self) -> None:
        self._manager.close()
        for service in self._services.values():
            service.close()

    # -- services

    def _take(self, live: list[Listed]) -> dict[str, str]:
        """Keep the ``live`` services with their tokens. Returns a sentence for each that cannot be used."""
        errors, kept = {}, {}
        for entry in live:
            service = self._services.pop(entry.id, None)
            if service is not None and service.listed.service_endpoint == entry.service_endpoint:
                service.listed = entry
            else:
                if service is not None:
                    service.retire()
                try:
                    service = Service(self._manager, entry)
                except BagoError as error:
                    errors[entry.name] = error.message
                    continue
            kept[entry.id] = service
        for service in self._services.values():
            service.retire()
        self._services = kept
        return errors

    def complain(self) -> None:
        """Raise as :meth:`refresh` does where no service can be used."""
        if self.found and any(service.error is None for service in self._services.values()):
            return
        if errors := self.errors:
            sentences = "; ".join(f"{name}: {error.rstrip('.')}" for name, error in errors.items())
            raise ServicesFailed(f"No service of {self.node} can be used ({sentences}).")
        if not self._listed:
            raise Unavailable(
                f"{self.node} has no model services; start one there, or use keys that see one."
            )
        if not self._services:
            names = ", ".join(entry.name for entry in self._listed)
            raise Unavailable(f"No service of {self.node} has an active route yet ({names}).")
        raise Unavailable(f"The services of {self.node} list no models.")

    def _tasks(self, model: Found) -> frozenset[Task]:
        """What a model does, at all services that have it."""
        natives = [service.native for service in self._services.values() if model.id in service.models]
        return able(self.tasks, _all(natives), model.tasks)

    def _health(self, model: str) -> tuple[Health, str | None]:
        errors = [service.error for service in self._services.values() if model in service.models]
        if self.health in ("healthy", "unknown") and errors and all(errors):
            return "unhealthy", errors[0]
        return self.health, self.reason

    def _enter(self, service: Service) -> Callable[[], None]:
        self._turn += 1
        service.turn = self._turn
        service.in_flight += 1

        def release() -> None:
            service.in_flight -= 1

        return release

    # -- requests

    def _prepared(self, request: Request, model: str) -> tuple[Request, Translation | None]:
        """``request`` as a service understands it, and how its answer is to be told the client."""
        body = request.body
        if request.model and request.model != model:
            body = replace_model(body, request.model, model)
        if request.dialect in self.native:
            return msgspec.structs.replace(request, body=body), None
        if request.path == COUNT or request.dialect not in answerable(self.native):
            spoken = ", ".join(sorted(answerable(self.native)))
            raise Unsupported(f"{self.node} cannot answer {request.path.decode()}, it speaks only {spoken}.")
        from .translate import MESSAGES_TO_CHAT

        headers = [pair for pair in request.headers if pair[0] not in DIALECT_HEADERS]
        sent = msgspec.structs.replace(
            request, path=MESSAGES_TO_CHAT.path, body=MESSAGES_TO_CHAT.request(body), headers=headers
        )
        return sent, MESSAGES_TO_CHAT


def _all(natives: list[frozenset[Dialect] | None]) -> frozenset[Dialect] | None:
    known = [native for native in natives if native is not None]
    return frozenset().union(*known) if known and len(known) == len(natives) else None


def _narrower(one: Found, other: Found) -> Found:
    """The same model at two services: what fits both."""
    lengths = [model.context_length for model in (one, other) if model.context_length]
    return msgspec.structs.replace(one, context_length=min(lengths, default=None))
