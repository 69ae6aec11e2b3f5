"""``/metrics``: Prometheus text, or OpenMetrics 1.0 for whoever asks for that.

Counters count since the node's start. Series per request carry ``model``, ``node`` and ``dialect``; beyond
the bounds of :mod:`~bago_jupyter.statistics.collector` they are counted under ``other``.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from .._version import __version__
from ..router.offer import Health
from ..statistics import BOUNDS, Statistics
from .context import Context

HEALTH: tuple[Health, ...] = ("healthy", "warming", "unhealthy", "disabled", "unknown")
_BY_REQUEST = ("model", "node", "dialect")
_BY_BACKEND = ("backend", "node", "model")


async def exposition(context: Context, accept: str) -> tuple[bytes, str]:
    """All metrics of one node, read at this moment, in the form that ``accept`` asks for, and its media type.

    https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
    """
    encode, kind = choose_encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Read([*_requests(context.statistics), *_now(context)]))
    return await asyncio.to_thread(encode, registry), kind


class _Read(Collector):
    """Metrics that were read on the node's loop, for the thread that writes them down."""

    def __init__(self, metrics: Iterable[Metric]):
        self._metrics = tuple(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _requests(statistics: Statistics) -> Iterator[Metric]:
    """What was counted since the start."""
    requests = CounterMetricFamily(
        "bago_requests", "Inference requests that are over.", labels=(*_BY_REQUEST, "outcome")
    )
    tokens = CounterMetricFamily("bago_tokens", "Tokens of the requests.", labels=(*_BY_REQUEST, "kind"))
    whole = HistogramMetricFamily(
        "bago_request_seconds", "From a request to the end of its complete answer.", labels=_BY_REQUEST
    )
    first = HistogramMetricFamily(
        "bago_time_to_first_token_seconds",
        "From a request to the first token of its streamed answer.",
        labels=_BY_REQUEST,
    )
    for names, cell in statistics.totals().items():
        for outcome in ("ok", "failed", "cancelled"):
            requests.add_metric([*names, outcome], getattr(cell, outcome))
        tokens.add_metric([*names, "prompt"], cell.prompt_tokens)
        tokens.add_metric([*names, "completion"], cell.completion_tokens)
        if any(cell.latency):
            whole.add_metric(names, _buckets(cell.latency), cell.latency_seconds)
        if any(cell.first):
            first.add_metric(names, _buckets(cell.first), cell.first_seconds)
    yield from (requests, tokens, whole, first)


def _now(context: Context) -> Iterator[Metric]:
    """What is so at this moment."""
    dispatcher = context.dispatcher
    status = context.status()
    build = {"version": __version__, "python": platform.python_version(), "place": status.place}
    yield InfoMetricFamily("bago_build", "What this node runs.", build)
    yield GaugeMetricFamily("bago_uptime_seconds", "Time since the node started.", status.uptime)
    yield GaugeMetricFamily("bago_requests_in_flight", "Requests in flight.", dispatcher.counts.in_flight)
    yield GaugeMetricFamily("bago_queue_length", "Requests that wait for a slot.", len(dispatcher.queue))
    yield from _backends(context)
    restarts = CounterMetricFamily(
        "bago_runner_restarts", "Restarts of a model's runner after crashes.", labels=("model", "task")
    )
    for runner in status.runners:
        restarts.add_metric((runner.model, runner.task), runner.restarts)
    yield restarts


def _backends(context: Context) -> Iterator[Metric]:
    dispatcher, now = context.dispatcher, time.monotonic()
    health = StateSetMetricFamily(
        "bago_backend_health", "Health of a model on a backend.", labels=_BY_BACKEND
    )
    open_ = GaugeMetricFamily(
        "bago_breaker_open",
        "Whether requests are kept from a model on a backend that failed (0 or 1).",
        labels=_BY_BACKEND,
    )
    slots = GaugeMetricFamily(
        "bago_backend_slots", "Requests that a model on a backend answers side by side.", labels=_BY_BACKEND
    )
    flight = GaugeMetricFamily(
        "bago_backend_requests_in_flight", "Requests in flight to a model on a backend.", labels=_BY_BACKEND
    )
    speed = GaugeMetricFamily(
        "bago_backend_tokens_per_second",
        "Running mean of the speed of one request, as routing estimates it.",
        labels=_BY_BACKEND,
    )
    for offer in dispatcher.table.offers:
        names = (offer.backend, offer.node, offer.model)
        health.add_metric(names, {state: state == offer.health for state in HEALTH})
        state, _ = dispatcher.breakers.look(offer.backend, offer.model, now)
        open_.add_metric(names, state == "open")
        slots.add_metric(names, offer.slots)
        load = dispatcher.loads.get((offer.backend, offer.model))
        flight.add_metric(names, load.in_flight if load is not None else 0)
        if load is not None:
            speed.add_metric(names, load.speed)
    yield from (health, open_, slots, flight, speed)


def _buckets(counts: list[int]) -> list[tuple[str, float]]:
    below, buckets = 0, []
    for bound, count in zip((*map(repr, BOUNDS), "+Inf"), counts, strict=True):
        below += count
        buckets.append((bound, float(below)))
    return buckets
