"""Which weights were first under a name: it is known after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from aside import set_aside
from router.test_weights import ONE, TWO, offer

from bago_jupyter.backends import firsts
from bago_jupyter.backends.firsts import FirstsFile
from bago_jupyter.errors import StateError
from bago_jupyter.router import Offer, Weights
from bago_jupyter.state import Home

FRIEND, ROGUE = offer("friend", ONE, since=1.0), offer("rogue", TWO, since=2.0)
PAIRED = ("friend", "rogue")


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def first(weights: Weights, *offers: Offer, backends: Collection[str] = PAIRED) -> frozenset[str]:
    return weights.elect(offers, backends).get("m", frozenset())


async def restarted(root: Path) -> tuple[Weights, FirstsFile]:
    weights = Weights()
    return weights, FirstsFile(Home(root), weights)


def test_who_speaks_first_after_a_restart_owns_no_name_of_another(tmp_path: Path) -> None:
    async def main() -> None:
        weights, file = await restarted(tmp_path)
        file.start()
        assert first(weights, FRIEND, ROGUE) == {ONE}
        await file.stop()
        weights, file = await restarted(tmp_path)
        assert first(weights, backends=()) == frozenset()  # before any node is followed
        file.start()
        assert first(weights, ROGUE) == {TWO}, "the friend offers nothing yet"
        assert first(weights, FRIEND, ROGUE) == {ONE}
        await file.stop()

    run(main())


def test_who_is_not_paired_any_more_is_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        weights, file = await restarted(tmp_path)
        file.start()
        first(weights, FRIEND)
        await file.stop()
        weights, file = await restarted(tmp_path)
        file.start()
        assert first(weights, ROGUE, backends=["rogue"]) == {TWO}
        assert first(weights, FRIEND, ROGUE) == {TWO}
        await file.stop()

    run(main())


def test_it_is_written_where_it_changes_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firsts, "LATE", 0.01)

    async def main() -> None:
        home, weights, tries = Home(tmp_path), Weights(), asyncio.Semaphore(0)
        loop, write = asyncio.get_running_loop(), Home.write

        def failing(self: Home, name: str, data: bytes) -> Path:
            loop.call_soon_threadsafe(tries.release)
            if not full:
                return write(self, name, data)
            full.pop()
            raise StateError("Cannot write firsts.json: No space left on device.")

        full = [True, True]
        monkeypatch.setattr(Home, "write", failing)
        file = FirstsFile(home, weights)
        file.start()
        first(weights, FRIEND)
        for _ in range(3):
            await tries.acquire()
        for _ in range(3):
            first(weights, FRIEND, ROGUE)
        await file.stop()
        assert not full and tries.locked(), "it was written again although nothing had changed"
        assert home.read("firsts.json") is not None

    run(main())


def test_a_damaged_file(tmp_path: Path) -> None:
    async def main() -> None:
        home = Home(tmp_path)
        home.write("firsts.json", b'{"m":["x"]}')
        weights = Weights()
        with set_aside(home, "firsts.json"):
            FirstsFile(home, weights)
        assert not weights.first

    run(main())
