"""Request and approve with a match code."""

from __future__ import annotations

import re

import pytest

from bago_jupyter.errors import BagoError, NotFound, Overloaded
from bago_jupyter.trust.approval import Approvals
from bago_jupyter.trust.asking import Asking
from bago_jupyter.trust.matching import LIFETIME, PENDING, STARTS, STARTS_EACH
from bago_jupyter.trust.messages import (
    Ask,
    AskAnswer,
    AskConfirm,
    AskDone,
    AskPoll,
    AskReveal,
    AskState,
    read,
    write,
)
from bago_jupyter.trust.refusal import Refused

NOW = 1_800_000_000.0


@pytest.fixture
def asker(party):
    return party("i")


@pytest.fixture
def asked(party):
    return party("r")


@pytest.fixture
def approvals(asked):
    return Approvals(asked.identity, asked.peers, asked.card)


def begin(asker, asked, approvals, address="10.0.0.1", now=NOW):
    asking = Asking(asker.identity, asked.fingerprint, asker.card())
    reveal = asking.answered(approvals.ask(asking.ask, address, now))
    return asking, reveal


def test_over_tls(asker, asked, run, wire):
    approvals = Approvals(asked.identity, asked.peers, asked.card)
    handlers = {
        Ask: lambda m: approvals.ask(m, "127.0.0.1"),
        AskReveal: approvals.reveal,
        AskPoll: approvals.poll,
        AskConfirm: approvals.confirm,
    }

    async def go():
        async with asked.serve(handlers) as port:
            tls = asker.tls.stranger(asked.fingerprint)
            asking = Asking(asker.identity, asked.fingerprint, asker.card())
            reveal = asking.answered(await wire(port, tls, asking.ask, AskAnswer))
            assert approvals.listed() == []
            await wire(port, tls, reveal, AskState)
            (request,) = approvals.listed()
            assert (request.name, request.fingerprint, request.code) == ("i", asker.fingerprint, asking.code)
            assert (await wire(port, tls, asking.poll, AskState)).state == "waiting"
            with pytest.raises(Refused, match="not approved"):
                await wire(port, tls, asking.confirm(), AskDone)
            approvals.approve(request.id)
            assert (await wire(port, tls, asking.poll, AskState)).state == "approved"
            return asking.finish(await wire(port, tls, asking.confirm(), AskDone), asker.peers)

    peer = run(go())
    mirror = asked.peers.get(asker.fingerprint)
    assert (peer.name, peer.via, mirror.via) == ("r", "approval", "approval")
    assert asked.peers.verify(asker.fingerprint, peer.token.reveal()) == mirror
    assert asker.peers.verify(asked.fingerprint, mirror.token.reveal()) == peer


def test_code_looks_and_differs(asker, asked, approvals):
    codes = set()
    for n in range(6):
        asking, reveal = begin(asker, asked, approvals, f"10.0.0.{n}")
        approvals.reveal(reveal, NOW)
        assert re.fullmatch(r"\d{3} \d{3}", asking.code)
        codes.add(asking.code)
        assert [r.code for r in approvals.listed(NOW)] == [asking.code]  # the newest voids the older
    assert len(codes) >= 5


def test_a_man_in_the_middle_shows_different_codes(asker, asked, approvals, party):
    """Mallory stands in for each towards the other, with her own certificate, and cannot steer."""
    equal = 0
    for n in range(30):
        mallory = party("m")
        as_asked = Approvals(mallory.identity, mallory.peers, mallory.card)
        left, left_reveal = begin(asker, mallory, as_asked)
        fresh = Approvals(asked.identity, asked.peers, asked.card)
        right, right_reveal = begin(mallory, asked, fresh)
        as_asked.reveal(left_reveal, NOW)
        fresh.reveal(right_reveal, NOW)
        equal += left.code == fresh.listed(NOW)[0].code
        assert right.code == fresh.listed(NOW)[0].code, n
    assert equal <= 1  # two of them by chance: once in two billion runs of this test


def test_an_announcement_with_somebody_elses_fingerprint(asker, asked, approvals, party):
    """Mallory answers an ask that was meant for R."""
    mallory = party("m")
    as_asked = Approvals(mallory.identity, mallory.peers, mallory.card)
    asking = Asking(asker.identity, asked.fingerprint, asker.card())
    with pytest.raises(Refused, match="not the one"):
        asking.answered(as_asked.ask(asking.ask, "10.0.0.1", NOW))


def test_a_commitment_cannot_be_changed_after_the_answer(asker, asked, approvals):
    """A colliding code would need a nonce that is chosen last."""
    asking, reveal = begin(asker, asked, approvals)
    other, _ = begin(asker, asked, approvals)
    forged = AskReveal(v=1, id=reveal.id, nonce=other._nonce, signature=reveal.signature)
    with pytest.raises(Refused, match="commitment"):
        approvals.reveal(forged, NOW)
    with pytest.raises(Refused, match="over"):
        approvals.reveal(reveal, NOW)  # one try each
    assert approvals.listed(NOW) == []
    assert asking.code


def test_who_asks_cannot_search_for_a_code_after_the_answer(asker, asked, approvals):
    """With her own key Mallory can sign any nonce; the commitment holds her to the first one."""
    asking = Asking(asker.identity, asked.fingerprint, asker.card())
    answer = approvals.ask(asking.ask, "10.0.0.1", NOW)
    asking._nonce = b"better".ljust(32)
    with pytest.raises(Refused, match="commitment"):
        approvals.reveal(asking.answered(answer), NOW)
    assert approvals.listed(NOW) == []


@pytest.mark.parametrize("step", ["ask", "answer", "reveal", "confirm", "done"])
def test_every_altered_field_is_refused_or_changes_the_code(asker, asked, altered, step):
    """Whatever is altered on the way, no pairing comes out of two equal codes."""

    def attempt(name, alter):
        """The whole exchange with one message replaced; whether the codes agreed."""
        approvals = Approvals(asked.identity, asked.peers, asked.card)

        def via(kind, message):
            return read(write(alter(message) if name == step == kind else message), type(message))

        asking = Asking(asker.identity, asked.fingerprint, asker.card())
        answer = via("answer", approvals.ask(via("ask", asking.ask), "10.0.0.1", NOW))
        reveal = via("reveal", asking.answered(answer))
        approvals.reveal(reveal, NOW)
        (request,) = approvals.listed(NOW)
        if request.code != asking.code:
            raise Refused("the owners see different codes")
        approvals.approve(request.id, NOW)
        asking.finish(via("done", approvals.confirm(via("confirm", asking.confirm()), NOW)), asker.peers, NOW)

    captured = {}

    def note(message):
        captured[step] = message
        return message

    attempt(step, note)
    for one, other in ((asker, asked), (asked, asker)):
        one.peers.remove(other.fingerprint)
    fields = set()
    for index, (name, _) in enumerate(altered(captured[step])):
        fields.add(name)
        with pytest.raises(BagoError):
            attempt(step, lambda message, index=index: altered(message)[index][1])
        assert len(asker.peers) == 0
        if step != "done":
            assert len(asked.peers) == 0
        elif len(asked.peers):
            asked.peers.remove(asker.fingerprint)
    assert fields == set(type(captured[step]).__struct_fields__)


def test_refused_cancelled_expired(asker, asked, approvals):
    asking, reveal = begin(asker, asked, approvals)
    approvals.reveal(reveal, NOW)
    approvals.refuse(reveal.id, NOW)
    assert approvals.poll(asking.poll, NOW).state == "refused"
    with pytest.raises(NotFound):
        approvals.approve(reveal.id, NOW)

    asking, reveal = begin(asker, asked, approvals)
    approvals.reveal(reveal, NOW)
    assert approvals.poll(asking.cancel, NOW).state == "cancelled"
    assert approvals.listed(NOW) == []
    with pytest.raises(NotFound):
        approvals.approve(reveal.id, NOW)

    asking, reveal = begin(asker, asked, approvals)
    approvals.reveal(reveal, NOW)
    approvals.approve(reveal.id, NOW)
    later = NOW + LIFETIME
    assert approvals.poll(asking.poll, later).state == "expired"
    with pytest.raises(Refused):
        approvals.confirm(asking.confirm(), later)
    assert len(asked.peers) == 0


def test_a_lost_last_answer(asker, asked, approvals):
    asking, reveal = begin(asker, asked, approvals)
    approvals.reveal(reveal, NOW)
    approvals.reveal(reveal, NOW)
    approvals.approve(reveal.id, NOW)
    confirm = asking.confirm()
    lost = approvals.confirm(confirm, NOW)
    assert write(approvals.confirm(confirm, NOW)) == write(lost)
    asking.finish(lost, asker.peers, NOW)
    asked.peers.remove(asker.fingerprint)
    with pytest.raises(Refused):
        approvals.confirm(confirm, NOW)  # removed since
    assert len(asked.peers) == 0


def test_starts_are_limited_also_when_dropped(asker, asked, approvals):
    """Codes cannot be ground out: an ask counts whether or not it is revealed."""
    for _ in range(STARTS_EACH + 1):
        begin(asker, asked, approvals, "10.0.0.1")
    with pytest.raises(Overloaded):
        begin(asker, asked, approvals, "10.0.0.1")
    begin(asker, asked, approvals, "10.0.0.2")
    started = 0
    fresh = Approvals(asked.identity, asked.peers, asked.card)
    for n in range(1000):
        try:
            begin(asker, asked, fresh, f"10.1.{n % 250}.{n // 250}", NOW + n * LIFETIME / 1000)
            started += 1
        except Overloaded:
            pass
    assert PENDING <= started <= 2 * STARTS


def test_the_list_is_bounded(asked, approvals, party):
    for n in range(PENDING):
        _, reveal = begin(party(f"p{n}"), asked, approvals, f"10.0.{n}.1")
        approvals.reveal(reveal, NOW)
    with pytest.raises(Overloaded, match="connection key"):
        begin(party("more"), asked, approvals, "10.9.9.9")
    assert len(approvals.listed(NOW)) == PENDING
    begin(party("more"), asked, approvals, "10.9.9.9", NOW + LIFETIME)


def test_listeners_hear_what_the_owner_should_see(asker, asked):
    heard = []
    approvals = Approvals(asked.identity, asked.peers, asked.card, lambda: heard.append(1))
    _, reveal = begin(asker, asked, approvals)
    assert heard == []
    approvals.reveal(reveal, NOW)
    assert len(heard) == 1
    approvals.listed(NOW + LIFETIME)
    assert len(heard) == 2


def test_nothing_before_the_answer(asker, asked):
    asking = Asking(asker.identity, asked.fingerprint, asker.card())
    for step in (lambda: asking.code, lambda: asking.poll, asking.confirm):
        with pytest.raises(Refused):
            step()
    with pytest.raises(Refused):
        Asking(asker.identity, asker.fingerprint, asker.card())
