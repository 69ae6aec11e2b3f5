"""The file: what it holds, and what may happen to it."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from decisions import decision

from bago_jupyter.statistics import Cell
from bago_jupyter.statistics.collector import Cells, Key
from bago_jupyter.statistics.query import HOUR, HOURS_KEPT, MINUTES_KEPT, Span
from bago_jupyter.statistics.store import Store, Unusable

NOW = 1_700_000_000 // HOUR * HOUR + 1800
ALL = Span(0, NOW + 1, 1)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, said: list[str]) -> Iterator[Store]:
    made = Store(tmp_path / "stats.db", said.append)
    yield made
    made.close()


def cells(*ats: int, model: str = "smol", caller: str = "local", seconds: float = 0.2) -> Cells:
    """One request in each minute."""
    made: Cells = {}
    for at in ats:
        asked = decision(model, ended=at, seconds=seconds, first=seconds / 2, caller=caller)
        key = Key(at // 60 * 60, model, "here", caller, "chat")
        made.setdefault(key, Cell()).add(asked, asked.attempts[0])
    return made


def total(store: Store, span: Span = ALL) -> int:
    return sum(cell.requests for _, _, cell in store.read((), span))


def raw(store: Store, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(store.path)) as connection:
        return list(connection.execute(query))


def test_only_its_owner_may_read_it(store: Store) -> None:
    umask = os.umask(0)
    try:
        store.write(cells(NOW))
    finally:
        os.umask(umask)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    store.path.chmod(0o644)
    store.close()
    assert total(store) == 1
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_what_is_written_adds_up(store: Store) -> None:
    store.write(cells(NOW, NOW, NOW + 60))
    store.write(cells(NOW, seconds=3.0))
    ((step, group, cell),) = store.read(("model", "caller"), Span(NOW // 60 * 60, 60, 1))
    assert (step, group, cell.requests) == (0, ("smol", "local"), 3)
    expected = Cell()
    for more in (cells(NOW, NOW), cells(NOW, seconds=3.0)):
        for each in more.values():
            expected.merge(each)
    assert cell.values() == pytest.approx(expected.values())


def test_groups_and_steps(store: Store) -> None:
    store.write(cells(0, 60, 180, model="a") | cells(60, model="b", caller='it\'s "me"\n'))
    steps = store.read(("model",), Span(60, 60, 3))
    assert {(step, *group): cell.requests for step, group, cell in steps} == {
        (0, "a"): 1,
        (0, "b"): 1,
        (2, "a"): 1,
    }
    assert {group for _, group, _ in store.read(("caller",), ALL)} == {("local",), ('it\'s "me"\n',)}


def test_minutes_become_hours_and_hours_end(store: Store) -> None:
    old = NOW - MINUTES_KEPT - HOUR
    hour = old // HOUR * HOUR
    store.write(cells(old, old + 60, hour, hour - 60, NOW - 60, NOW - 120) | cells(old, model="b"))
    store.write(cells(NOW - HOURS_KEPT - 2 * HOUR))
    before = {group: cell.values() for _, group, cell in store.read(("model",), Span(hour - 60, NOW, 1))}
    for _ in range(2):
        store.tidy(NOW)
        after = {group: cell.values() for _, group, cell in store.read(("model",), Span(hour - HOUR, NOW, 1))}
        assert {group: pytest.approx(values) for group, values in before.items()} == after
        assert raw(store, "SELECT at, model, ok FROM usage ORDER BY at, model") == [
            (hour - HOUR, "smol", 1),
            (hour, "b", 1),
            (hour, "smol", 3),
            (NOW - 120, "smol", 1),
            (NOW - 60, "smol", 1),
        ]
    store.write(cells(hour))
    store.tidy(NOW)
    assert raw(store, f"SELECT ok FROM usage WHERE at = {hour} AND model = 'smol'") == [(4,)]


@pytest.mark.parametrize("rubbish", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_put_aside(store: Store, said: list[str], rubbish: bytes) -> None:
    store.path.write_bytes(rubbish)
    Path(f"{store.path}-journal").write_bytes(b"old")
    store.write(cells(NOW))
    assert total(store) == 1
    assert (store.path.parent / "stats.db.damaged").read_bytes() == rubbish
    assert len(said) == 1 and "stats.db.damaged" in said[0]


def test_a_file_that_is_damaged_under_way(store: Store, said: list[str]) -> None:
    store.write(cells(*range(0, 60 * 2000, 60)))
    size = store.path.stat().st_size
    with store.path.open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(1).randbytes(size - 8192))
    store.close()
    store.write(cells(*range(0, 60 * 2000, 60)))
    assert total(store) == 2000, "and not more than were written since"
    assert len(said) == 1


def test_a_file_of_a_later_version_is_put_aside(store: Store, said: list[str]) -> None:
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    store.write(cells(NOW))
    assert total(store) == 1
    assert (store.path.parent / "stats.db.version-7").exists() and "version (7)" in said[0]


def test_a_file_that_was_deleted_is_made_again(store: Store) -> None:
    store.write(cells(NOW))
    store.path.unlink()
    store.write(cells(NOW, NOW))
    assert total(store) == 2
    assert raw(store, "SELECT ok FROM usage") == [(2,)]


def test_a_locked_file_is_not_waited_for(store: Store) -> None:
    store.write(cells(NOW))
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unusable, match="locked"):
            store.write(cells(NOW))
        with pytest.raises(Unusable, match="locked"):
            store.read((), ALL)
        other.execute("ROLLBACK")
    store.write(cells(NOW))
    assert total(store) == 2


def test_a_write_is_whole_or_not_at_all(store: Store) -> None:
    store.write(cells(NOW))
    broken = cells(NOW + 60, NOW + 120)
    list(broken.values())[-1].ok = None  # type: ignore[assignment]
    with pytest.raises(Unusable, match="NOT NULL"):
        store.write(broken)
    assert total(store) == 1


def test_something_else_of_that_name(store: Store) -> None:
    store.path.mkdir()
    with pytest.raises(Unusable, match="unable to open"):
        store.write(cells(NOW))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB."""
    path = tmp_path / "small"
    path.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=128k", "bago-test", str(path)], capture_output=True
        ).returncode
    ):
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def fill(path: Path) -> None:
    """Take all the room that there is."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


def test_a_full_disk(small: Path) -> None:
    store = Store(small / "stats.db")
    try:
        store.write(cells(NOW))
        fill(small / "rest")
        with pytest.raises(Unusable, match="full"):
            store.write(cells(*range(0, 60 * 500, 60)))
        assert total(store) == 1, "what was there can still be read"
        (small / "rest").unlink()
        store.write(cells(NOW))
        assert total(store) == 2
    finally:
        store.close()


def test_a_file_system_that_became_read_only(small: Path) -> None:
    store = Store(small / "stats.db")
    try:
        store.write(cells(NOW))
        store.close()
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        with pytest.raises(Unusable, match=r"readonly|unable to open"):
            store.write(cells(NOW))
    finally:
        store.close()
