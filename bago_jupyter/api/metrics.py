"""``/metrics`` in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE

from .context import Context

__all__ = ["CONTENT_TYPE", "exposition"]


def exposition(context: Context) -> bytes:
    """All metrics of one node, read at this moment."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(context))
    return generate_latest(registry)


class _Collector:
    def __init__(self, context: Context):
        self._context = context

    def collect(self) -> Iterator[Metric]:
        counts = self._context.dispatcher.counts
        requests = CounterMetricFamily("bago_requests", "Inference requests by outcome.", labels=["outcome"])
        for outcome in ("ok", "failed", "cancelled"):
            requests.add_metric([outcome], getattr(counts, outcome))
        yield requests
        tokens = CounterMetricFamily("bago_tokens", "Tokens by kind.", labels=["kind"])
        tokens.add_metric(["prompt"], counts.prompt_tokens)
        tokens.add_metric(["completion"], counts.completion_tokens)
        yield tokens
        yield GaugeMetricFamily("bago_requests_in_flight", "Requests in flight.", counts.in_flight)
        load = GaugeMetricFamily("bago_backend_in_flight", "Requests in flight.", labels=["backend", "model"])
        speed = GaugeMetricFamily(
            "bago_backend_tokens_per_second", "Running mean of one request.", labels=["backend", "model"]
        )
        for (backend, model), state in self._context.dispatcher.loads.items():
            load.add_metric([backend, model], state.in_flight)
            speed.add_metric([backend, model], state.speed)
        yield load
        yield speed
        runners = GaugeMetricFamily(
            "bago_runner_restarts", "Restarts after crashes.", labels=["model", "task"]
        )
        for info in self._context.runners.infos():
            runners.add_metric([info.model, info.task], info.restarts)
        yield runners
        yield GaugeMetricFamily(
            "bago_uptime_seconds", "Since the node started.", self._context.status().uptime
        )
