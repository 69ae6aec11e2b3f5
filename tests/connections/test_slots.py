"""Slots of a server: told, measured by its metrics, or guessed by how late it answers."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from connections.house import House, house, run, until
from connections.servers import Server
from faults import Call, Faults

from bago_jupyter.connections import connected, slots
from bago_jupyter.connections.slots import DEFAULT, Queue, Slots, guess, read_props, read_queue

VLLM = b"""\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="tiny"} 3.0
vllm:num_requests_running{engine="1",model_name="tiny"} 1.0
vllm:num_requests_waiting{engine="0",model_name="tiny"} 8.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 8.0
vllm:num_requests_swapped{engine="0"} 5.0
"""


@pytest.mark.parametrize(
    ("metrics", "queue"),
    [
        (VLLM, Queue(4, 8)),
        (VLLM + b'vllm:scheduler_config_info{max_num_seqs="4",x="y"} 1.0\n', Queue(4, 8, 4)),
        (VLLM + b'vllm:scheduler_config_info{max_num_seqs="0"} 1.0\n', Queue(4, 8)),
        (b"sglang:num_running_reqs 2\nsglang:num_queue_reqs{} 1e0\n", Queue(2, 1)),
        (b"llamacpp:requests_processing 1\nllamacpp:requests_deferred 0\n", Queue(1, 0)),
        (b"vllm:num_requests_running NaN\n", None),
        (b"vllm:num_requests_running -1\nvllm:num_requests_waiting 1e300\n", None),
        (b"vllm:num_requests_waiting 1\n", None),
        (b"<html>", None),
        (b"\xff" * 100, None),
    ],
)
def test_metrics(metrics: bytes, queue: Queue | None) -> None:
    assert read_queue(metrics) == queue


@pytest.mark.parametrize(
    ("body", "told"),
    [(b'{"total_slots":2,"x":[]}', 2), (b'{"total_slots":"2"}', None), (b"[", None), (b"{}", None)],
)
def test_props(body: bytes, told: int | None) -> None:
    queue = read_props(body)
    assert (queue.told if queue else None) == told


def test_what_waits_there_shows_the_limit() -> None:
    known = Slots()
    assert (known.count, known.source) == (DEFAULT, "guessed")
    known.saw(0.0, Queue(3, 0), 3)
    assert known.source == "guessed"  # nobody waits, so there may be room for more
    known.saw(1.0, Queue(4, 8), 12)
    assert (known.count, known.source) == (4, "measured")
    known.saw(2.0, Queue(4, 0), 4)
    assert known.count == 4
    known.saw(30.0, Queue(4, 0), 4)
    assert known.count == 5  # a trial, since all was taken and nobody waited
    known.saw(31.0, Queue(4, 1), 5)
    assert known.count == 4
    known.saw(52.0, Queue(4, 0), 4)
    assert known.count == 4  # the next trial comes later
    known.saw(80.0, Queue(6, 0), 4)
    assert known.count == 6
    known.saw(81.0, Queue(1, 0, 32), 4)
    assert known.count == 32


def test_a_limit_that_gives_way_is_found_again_with_few_trials() -> None:
    known, trials = Slots(), 0
    for second in range(3600):  # a server that takes four, and twelve clients at all times
        ours = min(12, known.count)
        before = known.count
        known.saw(float(second), Queue(min(4, ours), max(0, ours - 4)), ours)
        trials += known.count > before
    assert known.count == 4 and trials < 12


def times(limit: int | None, requests: int, rng: random.Random) -> list[tuple[int, float]]:
    found = []
    for _ in range(requests):
        others = rng.randrange(12)
        sharing = 0.1 * (1 + others * 0.3) * rng.uniform(0.7, 1.4)
        waits = limit is not None and others >= limit
        found.append((others, sharing + (rng.uniform(0.5, 4.0) * (others - limit + 1) if waits else 0.0)))
    return found


@pytest.mark.parametrize("limit", [1, 2, 4, 7, None])
def test_latency_that_jumps_shows_the_limit_and_one_that_grows_none(limit: int | None) -> None:
    right = 0
    for seed in range(20):
        found = guess(times(limit, 200, random.Random(seed)))
        right += found == limit
    assert right >= 18
    assert guess([]) is None and guess([(5, 9.0)] * 3) is None


def test_a_guess_gives_way_to_a_measurement_and_to_time() -> None:
    known = Slots()
    samples = times(4, 200, random.Random(1))
    known.timed(0.0, samples)
    assert (known.count, known.source) == (4, "guessed")
    known.timed(slots.TRUSTED - 1, [])
    assert known.count == 4
    known.timed(slots.TRUSTED, [])
    assert known.count == DEFAULT
    known.saw(700.0, Queue(8, 1), 12)
    known.timed(701.0, samples)
    assert (known.count, known.source) == (8, "measured")


class Batching(Server):
    """A server that answers four at once, and tells so by its metrics if it ``tells``."""

    def __init__(self, tells: bool):
        super().__init__("m")
        self.owner = "vllm" if tells else "someone"
        self.gate = asyncio.Semaphore(4)
        self.running = self.waiting = self.most = 0
        self.seconds = 0.3

    async def __call__(self, call: Call) -> None:
        if call.head.startswith(b"GET /metrics"):
            text = f"vllm:num_requests_running {self.running}\nvllm:num_requests_waiting {self.waiting}\n"
            await call.json(text.encode())
        elif b"messages" not in call.body:
            await super().__call__(call)
        else:
            self.most = max(self.most, self.running + self.waiting + 1)
            self.waiting += 1
            async with self.gate:
                self.waiting -= 1
                self.running += 1
                await call.sse_head()
                await call.chunk(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
                await asyncio.sleep(self.seconds)
                await call.chunk(b"data: [DONE]\n\n")
                await call.raw(b"0\r\n\r\n")
                self.running -= 1


@pytest.mark.parametrize("tells", [True, False], ids=["metrics", "latency"])
def test_what_was_learnt_is_not_exceeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tells: bool
) -> None:
    monkeypatch.setattr(connected, "SAMPLE", 0.05)

    async def main() -> None:
        server = Batching(tells)
        async with Faults(server) as faults, house(tmp_path) as here:
            entry = await here.add(faults.url)
            here.dispatcher.queue.bound = 1000
            await until(lambda: entry.state.state == "healthy")
            assert entry.side_by_side == (DEFAULT, "guessed")
            ended = asyncio.Event()
            clients = [asyncio.create_task(client(here, ended)) for _ in range(12)]
            await until(lambda: entry.side_by_side == (4, "measured" if tells else "guessed"))
            assert server.most == 12
            (offer,) = here.dispatcher.table.offers
            assert offer.slots == 4
            await until(lambda: server.running + server.waiting <= 4)
            server.most = 0
            asked = here.asked
            await until(lambda: here.asked > asked + 24)
            assert server.most <= 5  # one may try whether there is room for more
            ended.set()
            await asyncio.gather(*clients)
            await here.all.update("gpu", {"slots": 2})
            assert entry.side_by_side == (2, "set")

    run(main())


async def client(here: House, ended: asyncio.Event) -> None:
    while not ended.is_set():
        assert (await here.ask("m", stream=True))["status"] == 200
