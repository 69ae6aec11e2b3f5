"""The queue: shares by caller, bounds, and room for those who ask seldom."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.router import FairQueue, Ticket
from bago_jupyter.router.fair import LATELY


def served(queue: FairQueue, count: int) -> list[str]:
    """The callers of the next ``count`` requests, each over at once."""
    order = []
    for _ in range(count):
        ticket = next(iter(queue))
        queue.started(ticket)
        queue.ended(ticket, 0.0)
        order.append(ticket.caller)
    return order


def arrive(queue: FairQueue, caller: str, work: int = 100, now: float = 0.0) -> Ticket:
    ticket = queue.ticket(caller, "m", work, now)
    queue.join(ticket)
    return ticket


def test_who_asks_once_is_not_behind_the_hundreds_of_another() -> None:
    queue = FairQueue(1000)
    for _ in range(200):
        arrive(queue, "greedy")
    served(queue, 20)
    arrive(queue, "modest")
    assert "modest" in served(queue, 2)


def test_shares_are_of_work_not_of_requests() -> None:
    queue = FairQueue(1000)
    for _ in range(100):
        arrive(queue, "long", 300)
        arrive(queue, "short", 100)
    order = Counter(served(queue, 40))
    assert 28 <= order["short"] <= 32


def test_absence_saves_up_no_credit() -> None:
    queue = FairQueue(1000)
    for _ in range(50):
        arrive(queue, "busy")
    served(queue, 50)
    for _ in range(20):
        arrive(queue, "busy")
        arrive(queue, "late")
    assert Counter(served(queue, 20))["busy"] >= 9


def test_beyond_the_bound_the_greediest_loses_its_last() -> None:
    queue = FairQueue(3)
    first = [arrive(queue, "greedy") for _ in range(3)]
    ticket = queue.ticket("modest", "m", 100, 0.0)
    assert queue.join(ticket) is first[-1]
    again = queue.ticket("greedy", "m", 100, 0.0)
    assert queue.join(again) is again
    assert len(queue) == 3


def test_who_leaves_gets_the_work_back() -> None:
    queue = FairQueue(100)
    for _ in range(5):
        queue.leave(arrive(queue, "a"))
    arrive(queue, "b")
    arrive(queue, "a")
    assert served(queue, 2) == ["b", "a"]
    assert len(queue) == 0


def test_the_work_ahead_is_that_of_the_same_model() -> None:
    queue = FairQueue(100)
    arrive(queue, "a", 100)
    queue.join(queue.ticket("a", "other", 50, 0.0))
    last = arrive(queue, "a", 100)
    assert queue.ahead("m", last.order) == 100
    assert queue.ahead("m") == 200


def test_the_last_slot_is_left_to_others_only_while_others_are_about() -> None:
    queue = FairQueue(100)
    mine = queue.ticket("a", "m", 1, 0.0)
    queue.started(mine)
    assert not queue.leaves_one("a", 0.0)
    other = queue.ticket("b", "m", 1, 1.0)
    queue.started(other)
    queue.ended(other, 2.0)
    assert queue.leaves_one("a", 100.0)
    assert not queue.leaves_one("b", 100.0)
    assert not queue.leaves_one("a", 1000.0)
    queue.ended(mine, 1001.0)
    assert not queue.leaves_one("a", 1001.0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["come", "go", "start", "end"]), st.sampled_from("abc"), st.integers(1, 500)
        ),
        max_size=200,
    )
)
def test_whatever_happens_it_comes_to_rest(events: list[tuple[str, str, int]]) -> None:
    queue, waiting, flying = FairQueue(10), [], []
    for kind, caller, work in events:
        if kind == "come":
            ticket = queue.ticket(caller, "m", work, 0.0)
            out = queue.join(ticket)
            waiting.append(ticket)
            if out is not None:
                waiting.remove(out)
                queue.ended(out, 0.0)
        elif kind == "go" and waiting:
            queue.ended(waiting.pop(work % len(waiting)), 0.0)
        elif kind == "start" and waiting:
            ticket = next(iter(queue))
            queue.started(ticket)
            waiting.remove(ticket)
            flying.append(ticket)
        elif kind == "end" and flying:
            queue.ended(flying.pop(), 0.0)
        assert len(queue) == len(waiting) <= 10
        assert sorted(ticket.order for ticket in waiting) == [ticket.order for ticket in queue]
        assert queue.ahead("m") == sum(ticket.work for ticket in waiting)
        for ticket in queue:
            before = sum(other.work for other in waiting if other.order < ticket.order)
            assert queue.ahead("m", ticket.order) == before
    for ticket in [*waiting, *flying]:
        queue.ended(ticket, 0.0)
    assert len(queue) == 0
    assert not queue._flying
    assert not queue._open
    assert not queue._work


def test_callers_who_were_here_once_are_forgotten() -> None:
    queue = FairQueue(10)
    for number in range(2000):
        ticket = queue.ticket(f"caller{number}", "m", 10, float(number))
        queue.started(ticket)
        queue.ended(ticket, float(number))
    assert len(queue._seen) <= LATELY + 1
    assert len(queue._finish) <= LATELY + 1
    assert not queue._open


def test_who_waits_for_long_is_about_all_the_time() -> None:
    queue = FairQueue(10)
    mine = queue.ticket("a", "m", 1, 0.0)
    queue.started(mine)
    waiting = arrive(queue, "b", now=0.0)
    assert queue.leaves_one("a", 10 * LATELY)
    queue.ended(waiting, 10 * LATELY)
    assert not queue.leaves_one("a", 12 * LATELY)
