"""The books: reservations come back, speeds are learnt, and every ending counts once."""

from __future__ import annotations

import time

import pytest

from bago_jupyter.backends import Request
from bago_jupyter.backends.books import Books, verdict
from bago_jupyter.backends.record import Record
from bago_jupyter.errors import BagoError, Unsupported, UpstreamFailed
from bago_jupyter.events import Bus
from bago_jupyter.router import Offer, Row, Shape
from bago_jupyter.router.outcome import CANCELLED, OK, Ending, failed
from bago_jupyter.wire import Outcome

OFFER = Offer(backend="b", node="n", model="m", tasks=frozenset({"generate"}))
ROW = Row(OFFER, 0, 0, 0, 50.0, 0.0, 0, 1, cost=30)


def asked(books: Books, **shape: object) -> Record:
    record = Record(Request(id="r", path=b"", body=b"{}"), Shape(model="m", **shape))  # type: ignore[arg-type]
    books.arrived(record)
    return record


def answered(books: Books, tokens: int, seconds: float, **shape: object) -> None:
    """A request whose answer of ``tokens`` took ``seconds`` from its first byte to its last."""
    record, load = asked(books, **shape), books.load(OFFER)
    books.reserve(OFFER, ROW.cost)
    flight = books.took_off(record, ROW, load, time.monotonic())
    flight.first_byte = 0.0
    record.arrived = time.monotonic() - seconds
    books.landed(flight, 200, OK, None, time.monotonic())
    books.over(record, flight, 200, OK, (1, tokens), time.monotonic())


def test_reservations_are_returned_and_the_turn_stays() -> None:
    books = Books(Bus())
    books.turn = 5
    load = books.reserve(OFFER, 300)
    books.reserve(OFFER, 50)
    assert (load.in_flight, load.work, load.last) == (2, 350, 5)
    books.release(OFFER, 300)
    books.release(OFFER, 50)
    assert (load.in_flight, load.work, load.last) == (0, 0, 5)


def test_speed_follows_what_is_measured_and_ignores_what_tells_nothing() -> None:
    books = Books(Bus())
    answered(books, 1, 0.001, stream=True)
    answered(books, 0, 1.0, stream=True)
    answered(books, 7, 0.0001, stream=True)
    assert books.load(OFFER).speed == 50.0
    for _ in range(40):
        answered(books, 100, 0.5, stream=True)
    assert books.load(OFFER).speed == pytest.approx(200, rel=0.01)
    assert books.load(OFFER).in_flight == books.load(OFFER).work == 0


def test_a_stream_that_comes_all_at_once_is_no_fast_writer() -> None:
    """Its last bytes came with the first, after all of the work was done."""
    books = Books(Bus())
    for _ in range(20):
        record, load = asked(books, stream=True, answer=9), books.reserve(OFFER, ROW.cost)
        flight = books.took_off(record, ROW, load, time.monotonic())
        record.arrived = time.monotonic() - 0.3
        flight.first_byte = 0.3 - 1e-6
        books.landed(flight, 200, OK, None, time.monotonic())
        books.over(record, flight, 200, OK, (1, 9), time.monotonic())
    assert books.load(OFFER).speed == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize(
    ("status", "ending"),
    [(200, OK), (404, OK), (None, CANCELLED), (200, CANCELLED), (502, failed(UpstreamFailed("It broke.")))],
)
def test_an_ending_counts_once_in_each_book(status: int | None, ending: Ending) -> None:
    books = Books(Bus())
    record, load = asked(books), books.load(OFFER)
    books.reserve(OFFER, ROW.cost)
    flight = books.took_off(record, ROW, load, time.monotonic())
    books.landed(flight, status, ending, None, time.monotonic())
    books.over(record, flight, status, ending, (None, None), time.monotonic())
    kind = verdict(status, ending.outcome)
    (cell,) = books.collector.take().values()
    for counts in (load, books.counts(), cell):
        assert {name: getattr(counts, name) for name in ("ok", "failed", "cancelled")} == {
            "ok": 0,
            "failed": 0,
            "cancelled": 0,
            kind: 1,
        }
    assert not books.flying and books.counts().in_flight == 0
    assert (record.told().verdict, record.told().outcome) == (kind, ending.outcome)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, None, "ok"),
        (422, None, "ok"),
        (500, None, "ok"),  # llama-server's, for what a client got wrong
        (None, Unsupported("It cannot see pictures."), "ok"),
        (401, None, "failed"),
        (404, None, "failed"),
        (502, UpstreamFailed("It answered 502."), "failed"),
    ],
)
def test_a_clients_mistake_is_no_failure_of_the_backend(
    status: int | None, error: BagoError | None, kind: str
) -> None:
    books = Books(Bus())
    record, load = asked(books), books.load(OFFER)
    books.reserve(OFFER, ROW.cost)
    flight = books.took_off(record, ROW, load, time.monotonic())
    books.landed(flight, status, failed(error) if error else OK, error, time.monotonic())
    assert (load.ok, load.failed) == ((1, 0) if kind == "ok" else (0, 1))


def test_who_listens_hears_of_failures_and_of_the_answers_after_them() -> None:
    books, heard = Books(Bus()), []
    books.listeners["b"] = heard.append
    for status, error in (
        (200, None),
        (502, UpstreamFailed("It broke.")),
        (429, BagoError("Too much.", cause="limit")),
        (400, None),
        (200, None),
    ):
        record, load = asked(books), books.reserve(OFFER, ROW.cost)
        flight = books.took_off(record, ROW, load, time.monotonic())
        books.landed(flight, status, failed(error) if error else OK, error, time.monotonic())
    assert heard == ["It broke.", None]  # a refused request shows nothing of who would have served it


@pytest.mark.parametrize(
    ("status", "outcome", "kind"),
    [
        (200, "ok", "ok"),
        (404, "ok", "failed"),
        (None, "ok", "failed"),
        (200, "failed", "failed"),
        (200, "cancelled", "cancelled"),
    ],
)
def test_how_endings_count(status: int | None, outcome: Outcome, kind: str) -> None:
    assert verdict(status, outcome) == kind
