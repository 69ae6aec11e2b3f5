"""An interrupt while a node comes up, at every moment: nothing of it is left, and the next try succeeds."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from headless import until

from bago_jupyter import launch
from bago_jupyter.core import Node
from bago_jupyter.engines.library import Library
from bago_jupyter.loops import LoopThread
from bago_jupyter.state import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    yield tmp_path / "home"
    signal.signal(signal.SIGINT, before)
    launch.down()


@contextmanager
def interrupting(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Come up with what is patched in this context, be interrupted, and leave nothing."""
    before = set(threading.enumerate())
    with monkeypatch.context() as patch:
        yield patch
        with pytest.raises(KeyboardInterrupt):
            launch.up(home=home, port=0)
    check_nothing_is_left_of(home, before)


def check_nothing_is_left_of(home: Path, before: set[threading.Thread]) -> None:
    assert Home(home).read_node() is None
    assert launch._is_free(Home(home))
    until(lambda: not [new for new in set(threading.enumerate()) - before if new.name.startswith("bago")])
    assert not launch.down()
    with launch.up(home=home, port=0) as client:
        assert client.status().home == str(home)


def test_while_a_part_starts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def rescan(self: Library) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        await asyncio.Event().wait()

    with interrupting(home, monkeypatch) as patch:
        patch.setattr(Library, "rescan", rescan)


def test_in_the_moment_in_which_it_is_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wait = LoopThread.run

    def interrupted(self: LoopThread, work: Any, timeout: float | None = None) -> Any:
        done = wait(self, work, timeout)
        if isinstance(done, Node):
            raise KeyboardInterrupt
        return done

    with interrupting(home, monkeypatch) as patch:
        patch.setattr(LoopThread, "run", interrupted)


def test_while_what_is_done_cannot_be_given_up_any_more(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    went_on = threading.Event()
    begin = Node.start

    async def start(self: Node) -> Node:
        node = await begin(self)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        went_on.wait(1)  # the loop cannot hear of the interrupt meanwhile
        return node

    with interrupting(home, monkeypatch) as patch:
        patch.setattr(Node, "start", start)
