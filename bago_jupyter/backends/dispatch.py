"""Tries backends in the planned order until one answers, and keeps the record of it."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from ..errors import (
    BagoError,
    ContextTooLong,
    ModelFileError,
    ModelNotFound,
    Overloaded,
    Unavailable,
    Unsupported,
    UpstreamFailed,
)
from ..events import Bus, RequestEnded, RequestStarted
from ..router import Breakers, Load, Offer, Plan, Shape, Table, plan
from ..router.breaker import counts
from ..wire import Attempt, Counts, Decision
from .base import Backend, Opened, Request
from .usage import Usage

KEPT = 1000
"""Decisions in the ring buffer."""
WHOLE = 1024 * 1024
"""Bytes of an answer that is not a stream that are read before the client gets the first, so that
a backend which breaks off can still be replaced."""


class Answer:
    """An answer that has begun: read it to its end, or :meth:`close` it; one of both must happen."""

    __slots__ = (
        "_dispatcher",
        "_ended",
        "_first",
        "_given",
        "_offer",
        "_opened",
        "_shape",
        "decision",
        "usage",
    )

    def __init__(
        self, dispatcher: Dispatcher, shape: Shape, decision: Decision, offer: Offer, opened: Opened
    ):
        self.decision = decision
        self.usage = Usage(shape.stream)
        self._dispatcher = dispatcher
        self._shape = shape
        self._offer = offer
        self._opened = opened
        self._first = b""
        self._given = False
        self._ended = False

    @property
    def status(self) -> int:
        return self._opened.exchange.status

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return self._opened.exchange.headers

    @property
    def complete(self) -> bool:
        """Whether the whole body has arrived, so that one :meth:`read` returns it."""
        return self._opened.exchange.complete

    @property
    def node(self) -> str:
        return self._offer.node

    async def start(self) -> Answer:
        """Wait until the client can be given something. Raises :class:`UpstreamFailed`."""
        exchange = self._opened.exchange
        kind = exchange.header(b"content-type") or b""
        self._first = await exchange.read()
        self.decision.attempts[-1].first_byte = self._since()
        if not kind.startswith(b"text/event-stream"):
            while not exchange.complete and len(self._first) < WHOLE and (more := await exchange.read()):
                self._first += more
        self._given = True
        return self

    async def read_all(self) -> bytes:
        """The whole rest. Raises :class:`UpstreamFailed`."""
        if self._opened.exchange.complete:  # and so it is all here: starting it read what had come
            body, self._first = self._first, b""
            body += await self._opened.exchange.read()
            self.usage.feed(body)
            self.close()
            return body
        parts = []
        while chunk := await self.read():
            parts.append(chunk)
        return b"".join(parts)

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises :class:`UpstreamFailed`, and is closed then."""
        if self._first:
            chunk, self._first = self._first, b""
        else:
            try:
                chunk = await self._opened.exchange.read()
            except UpstreamFailed as error:
                self.close(error)
                raise
        if chunk:
            self.usage.feed(chunk)
        else:
            self.close()
        return chunk

    def close(self, error: BagoError | None = None) -> None:
        """End the answer: complete, broken by ``error``, or given up by the client."""
        if self._ended:
            return
        self._ended = True
        exchange = self._opened.exchange
        exchange.close()
        self._opened.release()
        done = exchange.complete or self.usage.ended
        outcome = error.message if error else "ok" if done else "cancelled"
        self._dispatcher._attempt_over(self.decision, self._shape, self._offer, self.status, outcome, error)
        if self._given:
            self._dispatcher._decision_over(self.decision, self, self.status, outcome)

    def _since(self) -> float:
        return time.time() - self.decision.at


class Dispatcher:
    """Backends, catalogue, loads, breakers and records of one node. Belongs to the node's loop."""

    def __init__(self, bus: Bus, *, policy: str = "balanced", max_queue: int = 256):
        self.policy = policy
        self.max_queue = max_queue
        self.backends: dict[str, Backend] = {}
        self.table = Table()
        self.counts = Counts()
        self.loads: dict[tuple[str, str], Load] = {}
        self.breakers = Breakers()
        self.decisions: OrderedDict[str, Decision] = OrderedDict()
        self.recorder: Callable[[Decision], None] = lambda decision: None
        """Called with every decision when its request is over; must not wait."""
        self._bus = bus
        self._turn = 0

    def add(self, backend: Backend) -> None:
        """Take ``backend`` into the catalogue."""
        self.backends[backend.id] = backend
        self.refresh()

    def remove(self, backend_id: str) -> None:
        """Take a backend out of the catalogue."""
        self.backends.pop(backend_id, None)
        self.refresh()

    def refresh(self) -> None:
        """Rebuild the catalogue after a backend's offers changed."""
        self.table = Table(offer for backend in self.backends.values() for offer in backend.offers())

    async def close(self) -> None:
        """Close every backend's connections."""
        for backend in self.backends.values():
            await backend.close()

    async def open(self, request: Request, shape: Shape, dialect: str) -> Answer:
        """Send ``request`` to the best target, the next one if that fails before the first byte.

        Raises a :class:`BagoError` when nobody answers; otherwise the answer has a first byte, or
        is an error of the backend's own that another backend would give as well.
        """
        decision = self._begin(request, shape, dialect)
        try:
            if self.counts.in_flight > self.max_queue:
                raise Overloaded(
                    f"{self.counts.in_flight - 1} requests are in flight; try again shortly.", retry_after=1.0
                )
            return await self._try_all(request, shape, self._plan(shape, decision), decision)
        except BagoError as error:
            self._decision_over(decision, None, error.status, error.message)
            raise
        except asyncio.CancelledError:
            self._decision_over(decision, None, None, "cancelled")
            raise
        except BaseException as error:
            self._decision_over(decision, None, 500, f"mistake: {type(error).__name__}")
            raise

    def _plan(self, shape: Shape, decision: Decision) -> Plan:
        self._turn += 1
        chosen = plan(
            shape,
            self.table,
            loads=self.loads,
            breakers=self.breakers,
            now=time.monotonic(),
            policy=self.policy,
            turn=self._turn,
        )
        decision.candidates = list(chosen.candidates)
        decision.rejections = list(chosen.rejections)
        if not chosen.offers:
            raise self._nobody(shape, chosen)
        return chosen

    async def _try_all(self, request: Request, shape: Shape, chosen: Plan, decision: Decision) -> Answer:
        last: BagoError | None = None
        for position, offer in enumerate(chosen.offers):
            decision.attempts.append(
                Attempt(
                    backend=offer.backend,
                    node=offer.node,
                    model=offer.model,
                    started=time.time() - decision.at,
                )
            )
            self._load(offer).reserve(shape.work)
            self.breakers.of(offer.backend, offer.model).began(time.monotonic())
            if self._bus.watched:
                self._bus.publish(RequestStarted(id=request.id, model=shape.model, backend=offer.backend))
            try:
                opened = await self.backends[offer.backend].open(request, offer)
            except BaseException as error:
                failure = error if isinstance(error, BagoError) else None
                outcome = failure.message if failure else "cancelled"
                self._attempt_over(decision, shape, offer, None, outcome, failure)
                if failure is None or not counts(failure.status):
                    raise
                last = failure
                continue
            answer = Answer(self, shape, decision, offer, opened)
            decision.attempts[-1].headers = time.time() - decision.at
            if counts(answer.status) and position + 1 < len(chosen.offers):
                answer.close(UpstreamFailed(f"answered {answer.status}"))
                continue
            try:
                return await answer.start()
            except UpstreamFailed as error:
                answer.close(error)
                last = error
            except BaseException:
                answer.close()
                raise
        raise last or Unavailable("No backend answered.")

    def _nobody(self, shape: Shape, chosen: Plan) -> BagoError:
        if not chosen.rejections:
            known = ", ".join(sorted(self.table.models)) or "none yet"
            return ModelNotFound(f"No node has a model {shape.model!r}; known: {known}.", param="model")
        reasons = "; ".join(f"{entry.node}: {entry.reason}" for entry in chosen.rejections)
        gates = {entry.gate for entry in chosen.rejections}
        if gates == {"file"}:
            return ModelFileError(f"{shape.model} cannot be used ({reasons}).", param="model")
        if gates == {"task"}:
            return Unsupported(f"{shape.model} cannot do this ({reasons}).", param="model")
        if gates == {"context"}:
            return ContextTooLong(f"The prompt is too long for {shape.model} ({reasons}).", param="messages")
        return Unavailable(f"{shape.model} cannot answer now ({reasons}).", retry_after=1.0)

    # -- records

    def _load(self, offer: Offer) -> Load:
        key = (offer.backend, offer.model)
        load = self.loads.get(key)
        if load is None:
            load = self.loads[key] = Load()
        return load

    def _begin(self, request: Request, shape: Shape, dialect: str) -> Decision:
        decision = Decision(
            id=request.id,
            at=time.time(),
            model=shape.model,
            dialect=dialect,
            stream=shape.stream,
            caller=shape.caller,
            policy=self.policy,
        )
        self.decisions[request.id] = decision
        if len(self.decisions) > KEPT:
            self.decisions.popitem(last=False)
        self.counts.total += 1
        self.counts.in_flight += 1
        return decision

    def _attempt_over(
        self,
        decision: Decision,
        shape: Shape,
        offer: Offer,
        status: int | None,
        outcome: str,
        error: BagoError | None,
    ) -> None:
        attempt = decision.attempts[-1]
        attempt.ended = time.time() - decision.at
        attempt.status = status
        attempt.outcome = outcome
        self._load(offer).release(shape.work)
        breaker = self.breakers.of(offer.backend, offer.model)
        if error is not None and counts(error.status):
            breaker.failed(time.monotonic(), outcome, error.retry_after)
        elif status is None:
            breaker.left()
        elif counts(status):
            breaker.failed(time.monotonic(), f"answered {status}")
        else:
            breaker.succeeded()

    def _decision_over(
        self, decision: Decision, answer: Answer | None, status: int | None, outcome: str
    ) -> None:
        now = time.time()
        decision.seconds = now - decision.at
        decision.status = status
        decision.outcome = outcome
        counts = self.counts
        counts.in_flight -= 1
        if outcome == "cancelled":
            counts.cancelled += 1
        elif outcome == "ok" and status is not None and status < 400:
            counts.ok += 1
        else:
            counts.failed += 1
        if answer is not None:
            decision.prompt_tokens, decision.completion_tokens = answer.usage.tokens()
            counts.prompt_tokens += decision.prompt_tokens or 0
            counts.completion_tokens += decision.completion_tokens or 0
            attempt = decision.attempts[-1]
            if answer.usage.stream and decision.completion_tokens and attempt.first_byte is not None:
                self._load(answer._offer).measured(
                    decision.completion_tokens, decision.seconds - attempt.first_byte
                )
        self.recorder(decision)
        if self._bus.watched:
            self._bus.publish(
                RequestEnded(
                    id=decision.id,
                    model=decision.model,
                    backend=decision.attempts[-1].backend if decision.attempts else None,
                    outcome=outcome,
                    seconds=decision.seconds,
                    tokens=decision.completion_tokens,
                )
            )
