"""Joining by team key."""

from __future__ import annotations

import concurrent.futures
import ssl
import time

import msgspec
import pytest
from spake2 import SPAKE2_B

from bago_jupyter.errors import BagoError, Overloaded, SettingsError
from bago_jupyter.magics.verbs.network import suggest_team_key
from bago_jupyter.trust import joining
from bago_jupyter.trust.joining import RUN_SECONDS, RUNS, TeamJoin, TeamResponder, goes_first
from bago_jupyter.trust.messages import TeamChallenge, TeamHello, TeamProof, TeamWelcome, read, write
from bago_jupyter.trust.peers import Peers
from bago_jupyter.trust.refusal import Refused
from bago_jupyter.trust.secret import Secret
from bago_jupyter.trust.team import Exchange, TeamKey

NOW = 1_800_000_000.0
PHRASE = "team-secret-key-2024"


@pytest.fixture(scope="module")
def key():
    return TeamKey(Secret(PHRASE))


@pytest.fixture(scope="module")
def wrong():
    return TeamKey(Secret("team-secret-key-2025"))


@pytest.fixture
def a(party):
    return party("a")


@pytest.fixture
def b(party):
    return party("b")


def responder(party, key):
    return TeamResponder(party.identity, key, party.peers, party.card)


def join(a, b, key_a, answering, address="10.0.0.1", now=NOW, alter=lambda step, message: message):
    """A whole run with every message encoded, and altered on its way."""

    def via(step, message):
        return read(write(alter(step, message)), type(message))

    own = TeamJoin(a.identity, key_a, b.fingerprint, a.card())
    challenge = via("challenge", answering.hello(via("hello", own.hello), address, now))
    welcome = via("welcome", answering.proof(via("proof", own.proof(challenge)), now))
    return own.finish(welcome, a.peers, now)


def assert_mutual(a, b):
    of_b, of_a = a.peers.get(b.fingerprint), b.peers.get(a.fingerprint)
    assert b.peers.verify(a.fingerprint, of_b.token.reveal()) == of_a
    assert a.peers.verify(b.fingerprint, of_a.token.reveal()) == of_b


def test_over_tls(a, b, key, run, wire):
    answering = responder(b, key)
    handlers = {TeamHello: lambda m: answering.hello(m, "127.0.0.1"), TeamProof: answering.proof}

    async def go():
        async with b.serve(handlers) as port:
            tls = a.tls.stranger(b.fingerprint)
            own = TeamJoin(a.identity, key, b.fingerprint, a.card())
            proof = own.proof(await wire(port, tls, own.hello, TeamChallenge))
            return own.finish(await wire(port, tls, proof, TeamWelcome), a.peers)

    peer = run(go())
    assert (peer.name, peer.via, b.peers.get(a.fingerprint).via) == ("b", "team", "team")
    assert_mutual(a, b)


def test_a_wrong_key(a, b, key, wrong):
    for one, other in ((key, wrong), (wrong, key)):
        with pytest.raises(Refused, match="team keys differ"):
            join(a, b, one, responder(b, other))
    assert len(a.peers) == len(b.peers) == 0


@pytest.mark.parametrize("step", ["hello", "challenge", "proof", "welcome"])
def test_every_altered_field_is_refused(a, b, key, altered, step):
    kept = {}
    join(a, b, key, responder(b, key), alter=lambda at, message: kept.setdefault(at, message))
    for one, other in ((a, b), (b, a)):
        one.peers.remove(other.fingerprint, bar=False)
    fields = set()
    for index, (name, _) in enumerate(altered(kept[step])):
        fields.add(name)
        with pytest.raises(BagoError):
            join(
                a,
                b,
                key,
                responder(b, key),
                alter=lambda at, m, i=index: altered(m)[i][1] if at == step else m,
            )
        assert len(a.peers) == 0
        if step != "welcome":
            assert len(b.peers) == 0
        elif len(b.peers):
            b.peers.remove(a.fingerprint, bar=False)
    assert fields == set(type(kept[step]).__struct_fields__)


def test_a_relay_with_its_own_certificate_gets_nothing(a, b, key, party):
    """Mallory has no key; A found her announcement; she passes A's messages to B and back."""
    mallory, answering = party("m"), responder(b, key)
    own = TeamJoin(a.identity, key, mallory.fingerprint, a.card())
    proof = own.proof(answering.hello(own.hello, "10.0.0.6", NOW))
    with pytest.raises(Refused, match="differ"):
        answering.proof(proof, NOW)
    as_mallory = msgspec.structs.replace(own.hello, certificate=mallory.der)
    other = TeamJoin(a.identity, key, mallory.fingerprint, a.card())
    proof = other.proof(answering.hello(as_mallory, "10.0.0.7", NOW))
    with pytest.raises(Refused, match="differ"):
        answering.proof(proof, NOW)
    assert len(a.peers) == len(b.peers) == 0


def test_an_announcement_with_somebody_elses_fingerprint(a, b, key, party, run, wire):
    mallory, got = party("m"), []

    async def go():
        async with mallory.serve({TeamHello: got.append}) as port:
            own = TeamJoin(a.identity, key, b.fingerprint, a.card())
            with pytest.raises(ssl.SSLCertVerificationError):
                await wire(port, a.tls.stranger(b.fingerprint), own.hello, TeamChallenge)

    run(go())
    assert got == []


def test_reflection(a, b, key):
    """A's own messages sent back to it, under its fingerprint or another."""
    own = TeamJoin(a.identity, key, b.fingerprint, a.card())
    with pytest.raises(Refused):
        own.proof(TeamChallenge(v=1, id="x" * 24, nonce=own.hello.nonce, spake=own.hello.spake))
    with pytest.raises(Refused):
        responder(a, key).hello(own.hello, "10.0.0.1", NOW)
    with pytest.raises(Refused):
        TeamJoin(a.identity, key, a.fingerprint, a.card())


def test_a_proof_is_good_once_and_for_its_run(a, b, key):
    answering = responder(b, key)
    own = TeamJoin(a.identity, key, b.fingerprint, a.card())
    proof = own.proof(answering.hello(own.hello, "10.0.0.1", NOW))
    answering.proof(proof, NOW)
    with pytest.raises(Refused, match="over"):
        answering.proof(proof, NOW)
    replay = answering.hello(own.hello, "10.0.0.1", NOW)  # the same hello, a new run
    with pytest.raises(Refused):
        answering.proof(msgspec.structs.replace(proof, id=replay.id), NOW)
    late = TeamJoin(a.identity, key, b.fingerprint, a.card())
    proof = late.proof(answering.hello(late.hello, "10.0.0.1", NOW))
    with pytest.raises(Refused, match="over"):
        answering.proof(proof, NOW + RUN_SECONDS)


def test_an_impostor_learns_nothing_to_test_guesses_on(a, b, key, wrong, party):
    """Mallory plays R with a wrong guess, keeps all that she saw and made, and then gets the right key.

    If what she holds could confirm a guess offline, the right one would be confirmed now.
    """
    mallory = party("m")
    own = TeamJoin(a.identity, key, mallory.fingerprint, a.card())
    ids = (a.fingerprint, mallory.fingerprint)
    with_guess = wrong.exchange(False, *ids)
    challenge = TeamChallenge(v=1, id="x" * 24, nonce=b"n" * 32, spake=with_guess.message)
    proof = own.proof(challenge)
    transcript = joining._transcript(*ids, own.hello, challenge)
    scalar = with_guess._spake.xy_scalar

    def tried(stretched_key, exchange=None):
        """Whether A's confirmation fits the K that Mallory computes for a key with the scalar she used."""
        replayed = exchange or stretched_key.exchange(False, *ids)
        replayed._spake.xy_scalar = scalar
        replayed._spake.outbound_message = challenge.spake[1:]
        replayed.agree(own.hello.spake, transcript)
        try:
            return bool(replayed.open(proof.sealed, proof.confirmation))
        except Refused:
            return False

    assert not tried(key)
    assert not tried(wrong)
    # the check itself works: had she guessed right, it would have said so
    lucky = TeamJoin(a.identity, key, mallory.fingerprint, a.card())
    guessed = key.exchange(False, *ids)
    challenge = TeamChallenge(v=1, id="x" * 24, nonce=b"n" * 32, spake=guessed.message)
    proof, own, scalar = lucky.proof(challenge), lucky, guessed._spake.xy_scalar
    transcript = joining._transcript(*ids, own.hello, challenge)
    assert tried(key)


def test_a_listener_with_the_key_learns_nothing(a, b, key):
    """All messages of a run and the team key do not give the session key: that takes a scalar."""
    kept = {}
    join(a, b, key, responder(b, key), alter=lambda at, message: kept.setdefault(at, message))
    listener = key.exchange(False, a.fingerprint, b.fingerprint)
    listener.agree(
        kept["hello"].spake,
        joining._transcript(a.fingerprint, b.fingerprint, kept["hello"], kept["challenge"]),
    )
    with pytest.raises(Refused):
        listener.open(kept["proof"].sealed, kept["proof"].confirmation)


def test_nothing_of_the_card_or_token_is_readable(a, b, key):
    kept = {}
    join(a, b, key, responder(b, key), alter=lambda at, message: kept.setdefault(at, message))
    for message in kept.values():
        data = b"".join(v for v in msgspec.structs.astuple(message) if isinstance(v, bytes))
        assert b"local:8080" not in data
        assert PHRASE.encode() not in data


def test_hostile_elements(a, b, key):
    """Points outside the curve or its large subgroup, of the wrong side, of the wrong length."""
    good = TeamJoin(a.identity, key, b.fingerprint, a.card()).hello
    zero = b"\x01" + bytes(31)
    order_2 = (2**255 - 20).to_bytes(32, "little")
    for n, element in enumerate(
        [b"A" + zero, b"A" + order_2, b"A" + bytes(32), b"A" + b"\xff" * 32, b"B" + good.spake[1:]]
    ):
        with pytest.raises(Refused):
            responder(b, key).hello(msgspec.structs.replace(good, spake=element), f"10.0.0.{n}", NOW)
    with pytest.raises(BagoError):
        read(write(msgspec.structs.replace(good, spake=good.spake[:32])), TeamHello)


def test_attempts_back_off_per_address(a, b, key, wrong):
    answering = responder(b, key)
    for _ in range(4):
        with pytest.raises(Refused):
            join(a, b, wrong, answering, "10.0.0.66")
    with pytest.raises(Overloaded, match="try again in 2 s") as caught:
        join(a, b, key, answering, "10.0.0.66")
    assert caught.value.retry_after == 2
    join(a, b, key, answering, "10.0.0.1")  # others are not held up
    with pytest.raises(Refused):
        join(a, b, wrong, answering, "10.0.0.66", NOW + 2)
    with pytest.raises(Overloaded, match="in 4 s"):
        join(a, b, wrong, answering, "10.0.0.66", NOW + 2)
    join(a, b, key, answering, "10.0.0.66", NOW + 6)
    join(a, b, key, answering, "10.0.0.66", NOW + 6)  # a success clears the address


def test_open_runs_are_bounded(a, b, key):
    answering = responder(b, key)
    hello = TeamJoin(a.identity, key, b.fingerprint, a.card()).hello
    for n in range(RUNS):
        answering.hello(hello, f"10.0.{n}.1", NOW)
    with pytest.raises(Overloaded):
        answering.hello(hello, "10.1.0.1", NOW)
    answering.hello(hello, "10.1.0.1", NOW + RUN_SECONDS)


def test_hellos_side_by_side_in_threads(b, key, party):
    answering = responder(b, key)
    joins = [TeamJoin(p.identity, key, b.fingerprint, p.card()) for p in (party(f"p{i}") for i in range(8))]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        challenges = list(pool.map(lambda n: answering.hello(joins[n].hello, f"10.0.{n}.1", NOW), range(8)))
    for own, challenge in zip(joins, challenges, strict=True):
        answering.proof(own.proof(challenge), NOW)
    assert len(b.peers) == 8


def test_crossing_joins_end_well_in_any_order(a, b, key):
    from itertools import permutations

    for order in set(permutations("aaabbb")):  # three steps of A's run, three of B's
        for one, other in ((a, b), (b, a)):
            if one.peers.get(other.fingerprint):
                one.peers.remove(other.fingerprint, bar=False)
        steps = {"a": crossing(a, b, key), "b": crossing(b, a, key)}
        for turn in order:
            next(steps[turn])
        assert_mutual(a, b)


def crossing(one, other, key):
    answering = responder(other, key)
    own = TeamJoin(one.identity, key, other.fingerprint, one.card())
    proof = own.proof(answering.hello(own.hello, "10.0.0.1", NOW))
    yield
    welcome = answering.proof(proof, NOW)
    yield
    own.finish(welcome, one.peers, NOW)
    yield


def test_a_node_removed_by_hand_does_not_rejoin(a, b, key):
    answering = responder(b, key)
    join(a, b, key, answering)
    b.peers.remove(a.fingerprint)
    with pytest.raises(Refused, match="removed"):
        join(a, b, key, answering)
    a.peers.remove(b.fingerprint)
    with pytest.raises(Refused, match="removed"):
        join(b, a, key, responder(a, key))
    assert len(a.peers) == len(b.peers) == 0


def test_removed_between_hello_and_proof(a, b, key):
    answering = responder(b, key)
    join(a, b, key, answering)
    own = TeamJoin(a.identity, key, b.fingerprint, a.card())
    proof = own.proof(answering.hello(own.hello, "10.0.0.1", NOW))
    b.peers.remove(a.fingerprint)
    with pytest.raises(Refused, match="removed"):
        answering.proof(proof, NOW)
    assert len(b.peers) == 0


def test_leaving(a, b, key):
    join(a, b, key, responder(b, key))
    token = a.peers.get(b.fingerprint).token.reveal()
    b.peers.leave_team()
    assert b.peers.verify(a.fingerprint, token) is None
    assert len(Peers(b.home)) == 0
    join(a, b, key, responder(b, key))  # and may come back


def test_a_certificate_that_is_not_ones_own(a, b, key, party):
    """A member cannot register somebody else's certificate: it has not its key."""
    victim, answering = party("v"), responder(b, key)
    own = TeamJoin(a.identity, key, b.fingerprint, victim.card())
    own._identity = a.identity
    own._exchange = key.exchange(True, victim.fingerprint, b.fingerprint)
    hello = msgspec.structs.replace(own.hello, certificate=victim.der, spake=own._exchange.message)
    challenge = answering.hello(hello, "10.0.0.1", NOW)
    transcript = joining._transcript(victim.fingerprint, b.fingerprint, hello, challenge)
    own._exchange.agree(challenge.spake, transcript)
    text = joining._introduce(a.identity, "initiator", transcript, victim.card(), Secret.mint())
    sealed, confirmation = own._exchange.seal(text)
    with pytest.raises(Refused):
        answering.proof(TeamProof(v=1, id=challenge.id, sealed=sealed, confirmation=confirmation), NOW)
    assert len(b.peers) == 0


def test_another_certificate_than_that_of_the_hello(a, b, key, party):
    """Not even one whose key the member has: K is bound to the first."""
    second, answering = party("second"), responder(b, key)
    own = TeamJoin(a.identity, key, b.fingerprint, second.card())
    own._identity = second.identity
    own._expects = Secret.mint()
    challenge = answering.hello(own.hello, "10.0.0.1", NOW)
    transcript = joining._transcript(a.fingerprint, b.fingerprint, own.hello, challenge)
    own._exchange.agree(challenge.spake, transcript)
    text = joining._introduce(second.identity, "initiator", transcript, second.card(), Secret.mint())
    sealed, confirmation = own._exchange.seal(text)
    with pytest.raises(Refused):
        answering.proof(TeamProof(v=1, id=challenge.id, sealed=sealed, confirmation=confirmation), NOW)
    assert len(b.peers) == 0


def test_our_products_are_the_packages(key):
    """The shortcut of the fixed products gives what the package itself computes."""
    ids = ("fp_i", "fp_r")
    ours = key.exchange(True, *ids)
    theirs = SPAKE2_B(key._stretched, idA=b"bago team initiator fp_i", idB=b"bago team responder fp_r")
    message = theirs.start()
    ours.agree(message, b"t" * 32)
    assert ours._key == theirs.finish(ours.message)


def test_keys():
    with pytest.raises(SettingsError, match="at least 8"):
        TeamKey(Secret(" short "))
    assert suggest_team_key() != suggest_team_key()
    assert len(suggest_team_key()) == 23
    composed, decomposed = TeamKey(Secret("schl\u00fcssel ")), TeamKey(Secret("schlu\u0308ssel"))
    assert composed._stretched == decomposed._stretched
    assert goes_first("fp_a", "fp_b") and not goes_first("fp_b", "fp_a")


def test_a_run_before_agreement_opens_nothing(key):
    exchange: Exchange = key.exchange(True, "fp_i", "fp_r")
    for step in (lambda: exchange.seal(b"x"), lambda: exchange.open(b"x" * 20, b"y" * 32)):
        with pytest.raises(Refused):
            step()


def test_a_run_is_cheap(a, b, key):
    started = time.thread_time()  # which a busy machine does not change much
    join(a, b, key, responder(b, key))
    assert time.thread_time() - started < 3.0  # about 0.03 s
