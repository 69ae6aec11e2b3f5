"""``stats.db``: the counters of every minute, later of every hour, in SQLite."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from .cell import COLUMNS, Cell
from .collector import Key
from .query import DIMENSIONS, HOUR, HOURS_KEPT, MINUTES_KEPT, Group, Span

T = TypeVar("T")

VERSION = 1
"""Of the table, as SQLite's ``user_version``."""
BUSY = 0.2
"""Seconds to wait for somebody else's lock."""
DAMAGED = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR}
)
"""What SQLite says of a file that is none of ours any more; our statements alone have no error."""

_KEY = ("at", *DIMENSIONS)
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS usage (at INTEGER NOT NULL, "
    + ", ".join(f"{name} TEXT NOT NULL" for name in DIMENSIONS)
    + ", "
    + ", ".join(f"{name} {'REAL' if 'seconds' in name else 'INTEGER'} NOT NULL" for name in COLUMNS)
    + f", PRIMARY KEY ({', '.join(_KEY)})) WITHOUT ROWID"
)
_ADD = f"ON CONFLICT DO UPDATE SET {', '.join(f'{name} = {name} + excluded.{name}' for name in COLUMNS)}"
_INSERT = (
    f"INSERT INTO usage ({', '.join((*_KEY, *COLUMNS))}) "
    f"VALUES ({', '.join('?' * (len(_KEY) + len(COLUMNS)))}) {_ADD}"
)
_SUMS = ", ".join(f"sum({name})" for name in COLUMNS)
_INTO_HOURS = (
    f"INSERT INTO usage ({', '.join((*_KEY, *COLUMNS))}) "
    f"SELECT at - at % {HOUR}, {', '.join(DIMENSIONS)}, {_SUMS} FROM usage "
    f"WHERE at < ? AND at % {HOUR} != 0 GROUP BY 1, 2, 3, 4, 5 {_ADD}"
)


class Unusable(Exception):
    """The database cannot be used now; ``str()`` says why."""


class Store:
    """The database file of one node. Thread-safe; every method may block, so none belongs on a loop.

    It has a rollback journal and not a WAL, which needs shared memory and so no network home. Every method
    opens the file if need be and raises :class:`Unusable`. A damaged file is put aside, which is told to
    ``notice``, and a new one begun.
    """

    def __init__(self, path: Path, notice: Callable[[str], None] = lambda message: None):
        self.path = path
        self._notice = notice
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def write(self, cells: Mapping[Key, Cell]) -> None:
        """Add ``cells`` to what is there, all or none."""
        rows = [(*key, *cell.values()) for key, cell in cells.items()]

        def add(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.executemany(_INSERT, rows)

        self._use(add)

    def read(self, by: Sequence[str], span: Span) -> list[tuple[int, Group, Cell]]:
        """Sums by the number of the step and the names of ``by`` (of :data:`DIMENSIONS`)."""
        names = "".join(f", {name}" for name in by)
        query = f"SELECT (at - ?) / ?{names}, {_SUMS} FROM usage WHERE at >= ? AND at < ? GROUP BY 1{names}"
        end = span.start + span.step * span.steps

        def select(connection: sqlite3.Connection) -> list[tuple[int, Group, Cell]]:
            found = connection.execute(query, (span.start, span.step, span.start, end))
            split = 1 + len(by)
            return [(line[0], tuple(map(str, line[1:split])), Cell.of(line[split:])) for line in found]

        return self._use(select)

    def tidy(self, now: float) -> None:
        """Add old minutes up into hours, and delete old hours."""
        hours = int(now - MINUTES_KEPT) // HOUR * HOUR

        def move(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.execute(_INTO_HOURS, (hours,))
                connection.execute(f"DELETE FROM usage WHERE at < ? AND at % {HOUR} != 0", (hours,))
                connection.execute("DELETE FROM usage WHERE at < ?", (int(now) - HOURS_KEPT,))

        self._use(move)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._close()

    def _use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            for last in (False, True):
                try:
                    return work(self._opened())
                except (sqlite3.Error, UnicodeDecodeError) as error:
                    self._close()
                    # SQLite may quote the damaged file in its message, which Python then cannot read.
                    unreadable = isinstance(error, UnicodeDecodeError)
                    why = "its text is not UTF-8" if unreadable else str(error)
                    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                    if last or not (unreadable or code in DAMAGED):
                        raise Unusable(f"{self.path}: {why}") from None
                    self._put_aside("damaged", f"is damaged ({why})")
                except OSError as error:
                    self._close()
                    raise Unusable(f"{self.path}: {error.strerror}") from None
        raise AssertionError("unreachable")

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and self._file == _identity(self.path):
            return self._connection
        self._close()  # the file was deleted or replaced
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if self.path.stat().st_mode & 0o077:
            self.path.chmod(0o600)
        self._connection = self._connect()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            self._put_aside(f"version-{version}", f"is of another version ({version})")
            return self._opened()
        if version == 0:
            with _transaction(self._connection):
                self._connection.execute(_SCHEMA)
                self._connection.execute(f"PRAGMA user_version = {VERSION}")
        _check(self._connection)
        self._file = _identity(self.path)
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, BUSY, isolation_level=None, check_same_thread=False)
        try:
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _put_aside(self, suffix: str, why: str) -> None:
        self._close()
        aside = self.path.with_name(f"{self.path.name}.{suffix}")
        os.replace(self.path, aside)
        for more in ("-journal", "-wal", "-shm"):
            self.path.with_name(self.path.name + more).unlink(missing_ok=True)
        self._notice(f"{self.path} {why}; it is kept as {aside.name}, and the statistics begin anew.")

    def _close(self) -> None:
        connection, self._connection, self._file = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _check(connection: sqlite3.Connection) -> None:
    """Raises :class:`sqlite3.DatabaseError` where the file is not whole, or holds another table."""
    (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    tables = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table'").fetchall()
    if said != "ok" or tables != [(_SCHEMA.replace("IF NOT EXISTS ", ""),)]:
        error = sqlite3.DatabaseError(said if said != "ok" else "it holds another table")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            connection.execute("ROLLBACK")
        raise


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
