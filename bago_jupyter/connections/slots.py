"""How many requests a server answers side by side: told by its metrics, or read from how long it lets wait.

Pure: time is an argument.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

Source = Literal["set", "measured", "guessed"]

DEFAULT = 64
"""Where nothing is known: more than most servers take, so that they are never short of work."""
MOST = 1024
FIRST = 20.0
TRUSTED = 600.0
"""Seconds for which a limit is believed, at first and at most; after that one more is tried."""
ENOUGH = 3
"""Requests on either side that tell something: with many clients at once there are few that met nobody."""
FACTOR = 3.0
"""How much longer the first byte takes of those that wait for others to end."""
LEAST = 0.1
"""Seconds by which it does, at least."""
_METRIC = re.compile(
    rb"^(?:vllm|sglang|llamacpp):(?:(?P<running>num_requests_running|num_running_reqs|requests_processing)"
    rb"|(?P<waiting>num_requests_waiting|num_queue_reqs|requests_deferred))(?:\{[^\n]*\})? (?P<value>[^\s]+)",
    re.MULTILINE,
)
_TOLD = re.compile(rb'\bmax_num_seqs="(\d{1,6})"')


class Queue(NamedTuple):
    """What a server's metrics say at one moment; other people's requests count too."""

    running: int
    waiting: int
    told: int | None = None
    """How many it says that it takes."""


def read_queue(metrics: bytes) -> Queue | None:
    """What Prometheus' text format tells of a server's queue; ``None`` where that is nothing.

    vLLM, SGLang and llama-server. The metrics of several engines or models behind one URL are added up.
    """
    found = {"running": 0.0, "waiting": 0.0}
    seen = set()
    for match in _METRIC.finditer(metrics):
        name = "running" if match["running"] else "waiting"
        try:
            value = float(match["value"])
        except ValueError:
            continue
        if 0 <= value <= 1e6:
            seen.add(name)
            found[name] += value
    if "running" not in seen:
        return None
    told = _TOLD.search(metrics)
    limit = int(told[1]) if told else 0
    return Queue(int(found["running"]), int(found["waiting"]), limit if 0 < limit <= MOST else None)


class _Props(msgspec.Struct):
    total_slots: int = 0


def read_props(body: bytes) -> Queue | None:
    """llama-server's ``/props``."""
    try:
        count = msgspec.json.decode(body, type=_Props).total_slots
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Queue(0, 0, count) if count > 0 else None


def guess(samples: Iterable[tuple[int, float]]) -> int | None:
    """How many run side by side, from how many others each request met there and how many seconds its first
    byte took; ``None`` where nobody seems to wait.

    Sharing makes the first byte of each further request a little later. Waiting for another to end makes it
    late at once.
    """
    by_others: dict[int, list[float]] = {}
    for others, seconds in samples:
        by_others.setdefault(others, []).append(seconds)
    below: list[float] = []
    for others in sorted(by_others):
        above = [second for more, seconds in by_others.items() if more >= others for second in seconds]
        if others and len(below) >= ENOUGH and len(above) >= ENOUGH:
            usual = statistics.median(below)
            late = FACTOR * usual + LEAST
            if statistics.median(by_others[others]) > late and sorted(above)[len(above) // 4] > late:
                return others
        below += by_others[others]
    return None


class Slots:
    """What is known of one server. Belongs to one loop."""

    def __init__(self) -> None:
        self.count = DEFAULT
        self.source: Source = "guessed"
        self._since = 0.0
        """When the count was last found, or seen to be the limit."""
        self._trusted = FIRST
        self._tried = False
        """Whether the latest change was to try one more."""

    def saw(self, now: float, queue: Queue, ours: int) -> None:
        """Its metrics say this, while ``ours`` requests of this node are there."""
        if queue.told is not None:
            self._is(now, queue.told)
        elif queue.waiting and queue.running:
            if self.source == "measured":
                self._trusted = min(TRUSTED, self._trusted * 2)
            self._tried = False
            self._is(now, queue.running)
        elif self.source == "measured":
            if queue.running > self.count:
                self._is(now, queue.running)
            elif ours >= self.count and now - self._since >= self._trusted:
                if self._tried:  # with success, so that there may be room for many
                    self._trusted = FIRST
                self._tried = True
                self._is(now, self.count + 1)

    def timed(self, now: float, samples: Iterable[tuple[int, float]]) -> None:
        """First bytes took so long, as :func:`guess` takes it."""
        if self.source == "measured":
            return
        found = guess(samples)
        if found is not None:
            self.count, self._since = found, now
        elif now - self._since >= TRUSTED:
            self.count = DEFAULT

    def _is(self, now: float, count: int) -> None:
        self.count, self.source, self._since = min(count, MOST), "measured", now
