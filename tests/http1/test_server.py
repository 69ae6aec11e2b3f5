"""One connection of a client, whatever arrives on it and whatever becomes of it.

300 histories; ``BAGO_LONG=1`` (``make test-long``) plays 10,000.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Sequence
from itertools import product
from unittest import mock

import pytest
from http1.asks import BAD, ENDLESS, PIECE, WAYS, Ask, asks, bad, plain
from http1.visit import STRANGER, Visit
from http1.wire import Clock, Loop
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bago_jupyter.http1 import limits, server
from bago_jupyter.http1.state import CLOSED, IDLE, NEW, State

Cuts, Steps, Asks = Sequence[int], Sequence[str], Sequence[Ask]
LONG = bool(os.environ.get("BAGO_LONG"))
CUTS = [(), *((at,) for at in range(-150, 150)), *((at, -at) for at in range(1, 150)), tuple(range(1, 150))]
"""Where the bytes of a client are cut, from their beginning or end."""
STEP = ("turn", "begin", "begin hastily", "end", *WAYS[:-1])
STEPS = [*[()] * 400, *product(STEP), *[("whole",)] * 100, *product(STEP, repeat=2), *product(STEP, repeat=3)]
"""How the application answers by and by, and turns of the loop between."""
cuts = st.integers(0, len(CUTS) - 1).map(CUTS.__getitem__)
steps = st.integers(0, len(STEPS) - 1).map(STEPS.__getitem__)
hosts = st.sampled_from(["127.0.0.1", "::1 slow", STRANGER, STRANGER + " slow"])
"""Whence a client comes, and whether it reads nothing at first."""
booleans = st.booleans()
more = st.sampled_from([0] * 20 + [limits.PIPELINED - 2, limits.PIPELINED + 1, limits.PIPELINED + 2])
few = st.lists(asks, max_size=1)
several = st.tuples(asks) | st.tuples(asks, asks) | st.tuples(asks, asks, asks)


class Machine(RuleBasedStateMachine):
    """A client, a server and an application, and what has to hold between them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop, self.clock = Loop(), Clock()
        self._patch = mock.patch.object(server, "time", self.clock)
        self._patch.start()
        asyncio._set_running_loop(self.loop)  # type: ignore[arg-type]

    def teardown(self) -> None:
        asyncio._set_running_loop(None)
        self._patch.stop()

    @initialize(host=hosts, half=booleans)
    def come(self, host: str, half: bool) -> None:
        self.loop.ready.clear()
        self.visit = Visit(self.loop, self.clock, host.removesuffix(" slow"), half)
        self.desk, self.wire = self.visit.desk, self.visit.wire
        self.wire.blocked = host.endswith("slow")

    # -- what the client does

    @rule(several=several, cuts=cuts, part=booleans, turns=booleans, changed=booleans, host=hosts)
    def send(self, several: Asks, cuts: Cuts, part: bool, turns: bool, changed: bool, host: str) -> None:
        self._send(several, host)
        self.desk.epoch += changed
        self.visit.arrive(cuts, part, turns)

    @rule(
        several=several,
        cuts=cuts,
        steps=steps,
        more=more,
        host=hosts,
    )
    def send_many(self, several: Asks, cuts: Cuts, steps: Steps, more: int, host: str) -> None:
        self._send([*several, *([plain()] if more else []), *(plain("whole") for _ in range(more))], host)
        self.visit.arrive(cuts)
        self.answer(steps)

    @rule(
        name=st.sampled_from([*BAD, *ENDLESS]),
        before=st.lists(asks, max_size=1),
        cuts=cuts,
        steps=steps,
        host=hosts,
    )
    def send_bad(self, name: str, before: Asks, cuts: Cuts, steps: Steps, host: str) -> None:
        self._send(before if name in ENDLESS else [*before, bad(name)], host)
        self.visit.arrive(cuts)
        if name in ENDLESS and self.wire.reading and not self.wire.closed and self.visit.partial is None:
            self._send_without_end(name)
        self.answer(steps)

    @rule(cuts=cuts)
    def go_on(self, cuts: Cuts) -> None:
        self.loop.run()
        self.visit.arrive(cuts)

    @rule(size=st.sampled_from([0, 50, 1 << 30]))
    def read(self, size: int) -> None:
        self.wire.blocked = size < 1 << 30
        answer, before = self.desk.open, self.wire.full
        writables = answer.writables if answer is not None else 0
        self.wire.drain(size)
        resumed = before and not self.wire.full
        if resumed and answer is None:
            self.desk.quiet_since = self.clock.now
        assert answer is None or answer.writables == writables + resumed

    # -- what the application does

    @rule(steps=steps)
    def answer(self, steps: Steps) -> None:
        for step in steps:
            answer = self.desk.open
            if step == "turn":
                self.loop.run()
            elif answer is None:
                continue
            elif step == "end" and answer.status:
                answer.end(b"")
            elif answer.status:
                answer.write(step.encode() * 99)
            elif step in WAYS:
                answer.at_once(step)
            else:
                answer.hasty = step == "begin hastily"
                answer.start(b"" if step == "end" else step.encode())
            self._all_of_it_holds()

    # -- how it ends

    @rule(how=st.sampled_from(["leave", "fail", "cut", "give up", "stop", "stop at once"]), steps=steps)
    def end(self, how: str, steps: Steps) -> None:
        if how in ("leave", "fail"):
            self.wire.leave(ConnectionResetError() if how == "fail" else None)
        elif how == "cut":
            self.visit.connection.abort()
        elif how.startswith("stop"):
            self._stop()
            if how == "stop at once":
                self._stop()
        elif self.desk.open is not None:
            self.desk.open.abort()
        self._all_of_it_holds()
        self.answer(steps)

    @rule(seconds=st.sampled_from([0.25, 3.0, 21.0, 76.0, 121.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        closed, spared = self.wire.closed, self.clock.now < self.visit.cut_after
        self.desk.sweep.look(self.clock.now)
        assert not (spared and self.wire.closed != closed), "it is cut too early"

    def _send(self, several: Asks, host: str) -> None:
        """On this connection, or on the next one where it has ended."""
        if self.wire.closed:
            self.wire.drain(1 << 30)
            self.loop.run()
            self._all_of_it_holds()
            self.come(host, half=True)
        for ask in several:
            self.visit.ask(ask)

    def _stop(self) -> None:
        visit, desk = self.visit, self.desk
        if not visit.stopping:
            visit.stopping = True
            if visit.busy:
                desk.final = visit.current if desk.final is None else min(desk.final, visit.current)
            visit.connection.finish()
            assert visit.busy or self.wire.closed
            return
        self.loop.run()
        if (answer := desk.open) is not None:
            before = answer.stops
            visit.connection.stop()
            assert answer.stops == before + 1
        elif not self.wire.lost:
            visit.hung_up = True
            visit.connection.close()

    def _send_without_end(self, name: str) -> None:
        first, more, most = ENDLESS[name]
        ask = Ask(first, 1 << 30, bad=True, endless=True)
        self.visit.ask(ask)
        self.visit.arrive([])
        for _ in range(most // PIECE + 3):
            if self.visit.alive:
                ask.data += more
                self.visit.deliver(more)
        assert not self.visit.alive, f"an endless {name} is read on and on"

    # -- what has to hold

    @invariant()
    def holds(self) -> None:
        self._all_of_it_holds()

    def _all_of_it_holds(self) -> None:
        self._nothing_is_wrong()
        self._each_has_one_answer_in_its_order()
        self._whoever_waits_comes_to_its_turn()
        self._who_is_gone_is_told_once()
        self._its_state_is_true()
        self._what_is_incomplete_or_idle_has_a_deadline()

    def _nothing_is_wrong(self) -> None:
        connection, desk, wire = self.visit.connection, self.desk, self.wire
        assert not desk.wrong, desk.wrong
        assert not wire.late or wire.closed != "close" or self.visit.hung_up, wire.late
        assert len(connection._behind) <= limits.PIPELINED + 1
        assert connection.full == wire.full
        assert (desk.door.here, desk.door.gone) == (1, int(wire.lost))
        assert connection.stranger == (self.visit.stranger and not desk.door.knows)
        assert (connection in desk.sweep.watched) is not wire.lost

    def _each_has_one_answer_in_its_order(self) -> None:
        wire, visit, asked = self.wire, self.visit, self.desk.asked
        visit.heard.hear(wire.written)
        heard, said = visit.heard.answers, [answer for answer in self.desk.answers if answer.status]
        cut = wire.closed in ("abort", "peer") or visit.hung_up
        assert len(heard) == len(said) or (cut and len(heard) < len(said))
        for one, answer in zip(heard, said, strict=False):
            assert (one.status, one.headers[b"x-i"]) == (answer.status, b"%d" % answer.index)
            assert one.body == answer.body or (cut and answer.body.startswith(one.body))
            assert cut or one.complete == (answer.whole and not answer.until_end)
            assert (one.headers.get(b"connection") == b"close") == answer.last
        leaves = visit.heard.leaves
        assert len(set(leaves)) == len(leaves) and all(asked[index].expects for index in leaves)
        if visit.alive and visit.in_body and not self.desk.told and asked[0].expects:
            assert leaves == [0]

    def _whoever_waits_comes_to_its_turn(self) -> None:
        visit, desk, wire = self.visit, self.desk, self.wire
        if wire.closed == "close" and not visit.stopping:
            assert not desk.asked[desk.final].unread, "whoever sends on may not read why that is not read"
        if visit.over or visit.stopping:
            return
        if not self.loop.ready and desk.open is None and not wire.full:
            assert desk.told >= visit.due
            assert desk.final is None or desk.told <= desk.final, "it is not closed after the last"
        if visit.behind > limits.FEW:
            assert not wire.reading, "more is read while many wait"
        elif visit.behind < limits.FEW and not wire.full and desk.final is None:
            assert wire.reading, "few wait, and nothing more is read"

    def _who_is_gone_is_told_once(self) -> None:
        for answer in self.desk.answers:
            assert answer.gones == (self.wire.lost and not answer.whole)

    def _its_state_is_true(self) -> None:
        visit, wire, desk = self.visit, self.wire, self.desk
        state, busy = visit.connection.state, visit.busy
        assert isinstance(state, State)
        visit.ended = visit.ended or state is CLOSED
        if visit.ended or wire.closed in ("close", "abort") or wire.eof or wire.lost:
            assert state is CLOSED, "what is closed is closed"
        elif desk.final is None:
            assert state is not CLOSED
        assert state is not NEW or not desk.arrived
        if state is IDLE:
            assert not (busy or desk.open or visit.in_head or visit.in_body)

    def _what_is_incomplete_or_idle_has_a_deadline(self) -> None:
        visit, now = self.visit, self.clock.now
        quiet = not (self.visit.busy or self.wire.full)
        deadline = visit.connection.deadline
        if visit.over and not self.wire.closed:
            assert deadline <= now + (limits.BODY if self.wire.slow else limits.LINGER)
        elif self.wire.closed == "close" and not self.wire.lost:
            assert deadline < math.inf
        elif not visit.alive:
            return
        elif self.wire.full or visit.in_body:
            assert deadline <= now + limits.BODY
        elif visit.in_head and quiet:
            assert deadline <= now + (limits.BODY if visit.partial.bad else limits.HEAD)
        elif quiet and not self.desk.arrived:
            assert deadline == visit.made + limits.HEAD
        elif quiet and visit.partial is None:
            assert visit.connection.state is IDLE
            assert deadline == self.desk.quiet_since + limits.KEEP_ALIVE


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    report_multiple_bugs=False, max_examples=10_000 if LONG else 300, stateful_step_count=50
)
if LONG:
    TestMachine = pytest.mark.timeout(3600)(TestMachine)
