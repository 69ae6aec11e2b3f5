"""Pairing by connection key, over real TLS and with everything that may go wrong on the way."""

from __future__ import annotations

import ssl

import msgspec
import pytest

from bago_jupyter.errors import BagoError, Overloaded
from bago_jupyter.trust.connection_key import ConnectionKey
from bago_jupyter.trust.issued import IssuedKeys
from bago_jupyter.trust.messages import KeyAnswer, KeyRequest, read, write
from bago_jupyter.trust.pairing import KeyPairing, KeyResponder
from bago_jupyter.trust.refusal import Refused

NOW = 1_800_000_000.0
WHERE = ["127.0.0.1:8080"]


class Owner:
    """A party that issues keys."""

    def __init__(self, party):
        self.party = party
        self.issued = IssuedKeys(party.home, party.fingerprint)
        self.responder = KeyResponder(party.identity, self.issued, party.peers, party.card)

    def key(self, **changes) -> ConnectionKey:
        shown = str(self.issued.issue("r", WHERE, **changes))
        return ConnectionKey.parse(shown, now=changes.get("now"))


@pytest.fixture
def initiator(party):
    return party("i")


@pytest.fixture
def owner(party):
    return Owner(party("r"))


def assert_mutual(a, b):
    of_b, of_a = a.peers.get(b.fingerprint), b.peers.get(a.fingerprint)
    assert of_b.token != of_a.token
    assert b.peers.verify(a.fingerprint, of_b.token.reveal()) == of_a
    assert a.peers.verify(b.fingerprint, of_a.token.reveal()) == of_b


def assert_alone(*parties):
    for party in parties:
        assert len(party.peers) == 0


def test_over_tls(initiator, owner, run, wire):
    key = owner.key()

    async def go():
        async with owner.party.serve({KeyRequest: lambda m: owner.responder.answer(m, "127.0.0.1")}) as port:
            pairing = KeyPairing(initiator.identity, key, initiator.card())
            answer = await wire(port, initiator.tls.stranger(key.fingerprint), pairing.request, KeyAnswer)
            return pairing.finish(answer, initiator.peers)

    peer = run(go())
    assert (peer.name, peer.via, peer.port) == ("r", "key", 8080)
    assert peer.addresses == ["r.local:8080", *WHERE]
    assert_mutual(initiator, owner.party)


def test_a_man_in_the_middle_gets_no_request(initiator, owner, party, run, wire):
    """Mallory answers at the address in the key and would pass everything on."""
    mallory, key, got = party("m"), owner.key(), []

    async def go():
        async with mallory.serve({KeyRequest: lambda m: got.append(m)}) as port:
            pairing = KeyPairing(initiator.identity, key, initiator.card())
            with pytest.raises(ssl.SSLCertVerificationError):
                await wire(port, initiator.tls.stranger(key.fingerprint), pairing.request, KeyAnswer)

    run(go())
    assert got == []
    assert_alone(initiator, owner.party)


def test_an_answer_by_another_node_is_refused(initiator, owner, party):
    """Even without TLS: Mallory has the request and signs an answer with her own key."""
    key = owner.key(now=NOW)
    pairing = KeyPairing(initiator.identity, key, initiator.card())
    mallory = party("m")
    liar = KeyResponder(mallory.identity, owner.issued, mallory.peers, mallory.card)
    liar._identity = mallory.identity
    with pytest.raises(Refused):
        liar.answer(pairing.request, "10.0.0.9", NOW)  # the transcript names another responder
    honest = owner.responder.answer(pairing.request, "10.0.0.1", NOW)
    swapped = msgspec.structs.replace(honest, card=mallory.card())
    with pytest.raises(Refused):
        pairing.finish(swapped, initiator.peers)
    assert_alone(initiator, mallory)


def test_every_altered_field_of_the_request_is_refused(initiator, owner, altered):
    key = owner.key(now=NOW)
    pairing = KeyPairing(initiator.identity, key, initiator.card())
    variants = altered(pairing.request)
    assert {name for name, _ in variants} == set(KeyRequest.__struct_fields__)
    for n, (_, request) in enumerate(variants):
        with pytest.raises(BagoError):
            owner.responder.answer(read(write(request), KeyRequest), f"10.0.1.{n}", NOW)
    assert_alone(owner.party)
    pairing.finish(owner.responder.answer(pairing.request, "10.0.0.1", NOW), initiator.peers)
    assert_mutual(initiator, owner.party)


def test_every_altered_field_of_the_answer_is_refused(initiator, owner, altered):
    key = owner.key(now=NOW)
    pairing = KeyPairing(initiator.identity, key, initiator.card())
    answer = owner.responder.answer(pairing.request, "10.0.0.1", NOW)
    variants = altered(answer)
    assert {name for name, _ in variants} == set(KeyAnswer.__struct_fields__)
    for _, variant in variants:
        with pytest.raises(BagoError):
            pairing.finish(read(write(variant), KeyAnswer), initiator.peers)
    assert_alone(initiator)


def test_a_stolen_request_does_not_pair_its_thief(initiator, owner, party):
    """The whole request with the thief's certificate and signature: the key's proof is for another."""
    thief, key = party("t"), owner.key(now=NOW)
    stolen = KeyPairing(initiator.identity, key, initiator.card()).request
    own = KeyPairing(thief.identity, key, thief.card()).request
    for mixed in (
        msgspec.structs.replace(own, proof=stolen.proof),
        msgspec.structs.replace(stolen, card=own.card, signature=own.signature),
    ):
        with pytest.raises(Refused):
            owner.responder.answer(mixed, "10.0.0.1", NOW)
    assert_alone(owner.party)


def test_a_certificate_that_is_not_ones_own(initiator, owner, party):
    """Who has the key cannot register somebody else's certificate."""
    victim, key = party("v"), owner.key(now=NOW)
    with pytest.raises(Refused, match="does not prove"):
        owner.responder.answer(KeyPairing(initiator.identity, key, victim.card()).request, "10.0.0.1", NOW)
    assert_alone(owner.party)


def test_a_key_works_once(initiator, owner, party):
    key, late = owner.key(now=NOW), party("late")
    owner.responder.answer(KeyPairing(initiator.identity, key, initiator.card()).request, "10.0.0.1", NOW)
    with pytest.raises(Refused, match="used already"):
        owner.responder.answer(KeyPairing(late.identity, key, late.card()).request, "10.0.0.2", NOW)
    assert [peer.name for peer in owner.party.peers] == ["i"]


def test_expired_and_revoked(initiator, owner):
    expired, revoked = owner.key(ttl=60, now=NOW), owner.key(now=NOW)
    owner.issued.revoke(revoked.id, NOW)
    for key, why in ((expired, "expired"), (revoked, "revoked")):
        with pytest.raises(Refused, match=why):
            owner.responder.answer(
                KeyPairing(initiator.identity, key, initiator.card()).request, "10.0.0.1", NOW + 61
            )
    assert_alone(owner.party)


def test_a_lost_answer_may_be_asked_for_again(initiator, owner):
    pairing = KeyPairing(initiator.identity, owner.key(now=NOW), initiator.card())
    lost = owner.responder.answer(pairing.request, "10.0.0.1", NOW)
    again = owner.responder.answer(pairing.request, "10.0.0.1", NOW + 1)
    assert write(lost) == write(again)
    pairing.finish(again, initiator.peers)
    assert_mutual(initiator, owner.party)


def test_a_lost_answer_survives_a_restart_of_the_owner(initiator, owner, party):
    pairing = KeyPairing(initiator.identity, owner.key(now=NOW), initiator.card())
    owner.responder.answer(pairing.request, "10.0.0.1", NOW)
    restarted = Owner(party("r"))
    pairing.finish(restarted.responder.answer(pairing.request, "10.0.0.1", NOW + 1), initiator.peers)
    assert_mutual(initiator, restarted.party)


def test_a_removed_node_cannot_come_back_by_its_old_key(initiator, owner):
    key = owner.key(now=NOW)
    pairing = KeyPairing(initiator.identity, key, initiator.card())
    owner.responder.answer(pairing.request, "10.0.0.1", NOW)
    owner.party.peers.remove(initiator.fingerprint)
    for request in (pairing.request, KeyPairing(initiator.identity, key, initiator.card()).request):
        with pytest.raises(Refused, match="used already"):
            owner.responder.answer(request, "10.0.0.1", NOW + 1)
    assert_alone(owner.party)


def test_both_pair_with_each_other_at_once(party):
    a, b = Owner(party("a")), Owner(party("b"))
    one = KeyPairing(a.party.identity, b.key(now=NOW), a.party.card())
    two = KeyPairing(b.party.identity, a.key(now=NOW), b.party.card())
    to_one = b.responder.answer(one.request, "10.0.0.1", NOW)
    to_two = a.responder.answer(two.request, "10.0.0.2", NOW)
    one.finish(to_one, a.party.peers)
    two.finish(to_two, b.party.peers)
    assert_mutual(a.party, b.party)


def test_own_key(owner):
    key = owner.key()
    with pytest.raises(Refused, match="own"):
        KeyPairing(owner.party.identity, key, owner.party.card())


def test_failures_are_slowed_down_per_address(initiator, owner):
    bad = KeyPairing(initiator.identity, owner.key(now=NOW), b"{}").request
    for _ in range(6):
        with pytest.raises(BagoError):
            owner.responder.answer(bad, "10.0.0.66", NOW)
    good = KeyPairing(initiator.identity, owner.key(now=NOW), initiator.card()).request
    with pytest.raises(Overloaded, match="try again"):
        owner.responder.answer(good, "10.0.0.66", NOW)
    owner.responder.answer(good, "10.0.0.67", NOW)
