"""What each policy wants, over many requests."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from bago_jupyter.backends.body import read_shape
from bago_jupyter.backends.dialects import ENDPOINTS
from bago_jupyter.router import Affinity, Breakers, Inputs, Load, Offer, Shape, Table, plan, survey
from bago_jupyter.wire import Candidate


def reserve(load: Load, work: int, turn: int = 0) -> None:
    load.in_flight += 1
    load.work += work
    load.last = max(load.last, turn)


SHAPE = Shape(model="m", prompt_tokens=80, answer=90)


def offer(backend: str, **fields: Any) -> Offer:
    tasks = frozenset({"generate", "embed"})
    return Offer(**{"backend": backend, "node": backend, "model": "m", "tasks": tasks, "slots": 9, **fields})


def choices(policy: str, offers: list[Offer], count: int, loads: Any = None) -> list[str]:
    """Where ``count`` requests go that are never over."""
    loads = {(entry.backend, "m"): Load() for entry in offers} if loads is None else loads
    known = {"breakers": Breakers(), "affinity": Affinity(), "latencies": {"near": 0.001, "far": 9.0}}
    found = []
    for turn in range(1, count + 1):
        rows = survey(Table(offers), SHAPE, loads=loads, now=0.0, **known)
        best = plan(Inputs(SHAPE, rows, policy, turn)).offers[0]
        reserve(loads[best.backend, "m"], SHAPE.work(), turn)
        found.append(best.backend)
    return found


def test_round_robin_takes_turns() -> None:
    assert choices("round-robin", [offer("a"), offer("b"), offer("c")], 6) == ["a", "b", "c"] * 2


def test_weighted_divides_by_weight_and_keeps_zero_for_need() -> None:
    offers = [offer("a", weight=3.0, slots=9999), offer("b", slots=9999), offer("c", weight=0.0, slots=9999)]
    shares = Counter(choices("weighted", offers, 4000))
    assert shares["a"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert shares["c"] == 0
    assert set(choices("weighted", [offer("c", weight=0.0)], 3)) == {"c"}


def test_least_loaded_counts_requests_a_slot() -> None:
    offers = [offer("big", slots=8), offer("small", slots=2)]
    assert Counter(choices("least-loaded", offers, 10)) == {"big": 8, "small": 2}


def test_fastest_looks_at_speed_and_distance_not_at_load() -> None:
    loads = {("slow", "m"): Load(speed=10.0), ("quick", "m"): Load(speed=100.0)}
    assert set(choices("fastest", [offer("slow"), offer("quick")], 5, loads)) == {"quick"}
    assert set(choices("fastest", [offer("far"), offer("near")], 5)) == {"near"}


def test_priority_fills_the_first_and_then_the_next() -> None:
    offers = [offer("second", priority=2), offer("first", priority=1, slots=2)]
    assert choices("priority", offers, 4) == ["first", "first", "second", "second"]


def test_balanced_divides_the_work_by_speed() -> None:
    loads = {("x1", "m"): Load(speed=50.0), ("x4", "m"): Load(speed=200.0)}
    offers = [offer("x1", slots=1), offer("x4", slots=1)]
    shares = Counter(choices("balanced", offers, 50, loads))
    assert shares["x4"] == pytest.approx(40, abs=2)


def test_an_embedding_has_nothing_to_write() -> None:
    body = b'{"model":"m","input":"%s"}' % (b"x" * 3176)
    assert read_shape(body, ENDPOINTS[b"/v1/embeddings"], "local").work() == 100
    assert Shape(model="m", prompt_tokens=800).work() == 100 + 256
    assert Shape(model="m", prompt_tokens=800).work(warm=800) == 256


def test_scores_survive_json() -> None:
    offers = [offer("a", weight=0.0), offer("b", weight=5e-324)]
    known = {"breakers": Breakers(), "affinity": Affinity(), "latencies": {}, "loads": {}}
    inputs = Inputs(SHAPE, survey(Table(offers), SHAPE, now=0.0, **known), "weighted", 1)
    told = plan(inputs).candidates(inputs)
    assert msgspec.json.decode(msgspec.json.encode(told), type=list[Candidate]) == told
