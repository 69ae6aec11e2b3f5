"""The store of paired nodes."""

from __future__ import annotations

import asyncio
import json
import stat

import pytest
from aside import set_aside

from bago_jupyter.errors import NotFound, SettingsError, StateError
from bago_jupyter.trust.certificate import BadCertificate
from bago_jupyter.trust.peers import Peers
from bago_jupyter.trust.refusal import Refused
from bago_jupyter.trust.secret import Secret


@pytest.fixture
def a(party):
    return party("a")


def admit(owner, other, via="key", **changes):
    expects, token = Secret.mint(), Secret.mint()
    values = {"der": other.der, "name": other.name, "addresses": ["10.0.0.2:8080"], "port": 8080}
    owner.peers.admit(via=via, token=token, expects=expects, **(values | changes))
    return expects.reveal()


def test_a_token_counts_only_with_its_certificate(a, party):
    b, c = party("b"), party("c")
    of_b, of_c = admit(a, b), admit(a, c)
    assert a.peers.verify(b.fingerprint, of_b).name == "b"
    assert a.peers.verify(c.fingerprint, of_c).name == "c"
    for fingerprint, token in [
        (b.fingerprint, of_c),  # another node's token
        (None, of_b),  # a token without a certificate
        (b.fingerprint, None),  # a certificate without a token
        (b.fingerprint, ""),
        (b.fingerprint, of_b + "x"),
        (b.fingerprint, "\udcff"),
        (a.fingerprint, of_b),
    ]:
        assert a.peers.verify(fingerprint, token) is None


def test_a_removed_node_is_nobody(a, party):
    b = party("b")
    token = admit(a, b)
    a.peers.remove(b.fingerprint)
    assert a.peers.verify(b.fingerprint, token) is None
    assert Peers(a.home).verify(b.fingerprint, token) is None
    with pytest.raises(NotFound):
        a.peers.remove(b.fingerprint)


def test_what_cannot_be_written_does_not_change(a, party, monkeypatch):
    b, c = party("b"), party("c")
    token = admit(a, b)
    told = []
    a.peers.listen(lambda change, peer: told.append(change))

    def full(name, data):
        raise StateError("Cannot write peers.json: No space left on device.")

    with monkeypatch.context() as patch:
        patch.setattr(a.home, "write", full)
        for attempt in (
            lambda: a.peers.remove(b.fingerprint),
            lambda: a.peers.set(b.fingerprint, priority=3),
            lambda: admit(a, c),
        ):
            with pytest.raises(StateError, match="No space"):
                attempt()
        assert a.peers.verify(b.fingerprint, token).priority == 0
        assert a.peers.get(c.fingerprint) is None and not a.peers.barred(b.fingerprint) and not told
    a.peers.remove(b.fingerprint)
    assert a.peers.verify(b.fingerprint, token) is None and told == ["removed"]


def test_the_file(a, party):
    b = party("b")
    token = admit(a, b)
    path = a.home.root / "peers.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token not in path.read_text()
    again = Peers(a.home)
    assert again.verify(b.fingerprint, token) is not None
    assert list(again) == list(a.peers) and len(again) == 1
    assert again.get(b.fingerprint).token == a.peers.get(b.fingerprint).token


def test_no_token_in_repr(a, party):
    b = party("b")
    admit(a, b)
    peer = a.peers.get(b.fingerprint)
    assert peer.token.reveal() not in repr(peer) + str(peer) + f"{peer}"
    assert peer.accepts[0] not in repr(peer)


def test_crossing_pairings_leave_both_tokens_good_and_older_ones_not(a, party):
    b = party("b")
    first, second = admit(a, b), admit(a, b)
    assert a.peers.verify(b.fingerprint, first) is not None
    assert a.peers.verify(b.fingerprint, second) is not None
    admit(a, b)
    assert a.peers.verify(b.fingerprint, first) is None


def test_pairing_again_keeps_the_owners_settings(a, party):
    b = party("b")
    admit(a, b)
    a.peers.set(
        b.fingerprint, priority=3, weight=0.5, max_load_percent=40, in_routing=False, allow_control=True
    )
    admit(a, b, name="renamed")
    peer = Peers(a.home).get(b.fingerprint)
    assert (peer.name, peer.priority, peer.weight, peer.max_load_percent) == ("renamed", 3, 0.5, 40)
    assert not peer.in_routing and peer.allow_control


@pytest.mark.parametrize(
    "change",
    [
        {"max_load_percent": 0},
        {"weight": -1},
        {"weight": True},
        {"priority": 1.5},
        {"in_routing": 1},
        {"token": "x"},
    ],
)
def test_bad_settings(a, party, change):
    b = party("b")
    admit(a, b)
    before = a.peers.get(b.fingerprint)
    with pytest.raises(SettingsError):
        a.peers.set(b.fingerprint, **change)
    assert a.peers.get(b.fingerprint) == before


def test_leaving_the_team_removes_only_what_it_brought(a, party):
    by_team, by_key, both, first_team = (party(n) for n in ("t", "k", "b", "f"))
    tokens = {p.name: admit(a, p, via) for p, via in [(by_team, "team"), (by_key, "key"), (both, "approval")]}
    admit(a, both, "team")
    admit(a, first_team, "team")
    admit(a, first_team, "key")
    assert [peer.name for peer in a.peers.leave_team()] == ["t"]
    assert {peer.name for peer in a.peers} == {"k", "b", "f"}
    assert a.peers.verify(by_team.fingerprint, tokens["t"]) is None
    assert not a.peers.barred(by_team.fingerprint)


def test_a_node_removed_by_hand_comes_back_by_key_only(a, party):
    b = party("b")
    admit(a, b, "team")
    a.peers.remove(b.fingerprint)
    again = Peers(a.home)
    assert again.barred(b.fingerprint)
    with pytest.raises(Refused, match="removed by hand"):
        admit(a, b, "team")
    admit(a, b, "key")
    assert not a.peers.barred(b.fingerprint)


def test_what_a_peer_tells_is_cleaned(a, party):
    b = party("b")
    admit(a, b, name="b\x00\x1b]", addresses=["x y", "10.0.0.3:80", "10.0.0.3:80", "[::1", "h:99999"])
    peer = a.peers.tell(b.fingerprint, name="new\nname", addresses=["[fe80::2%eth1]:8080", "-bad-:1"], port=9)
    assert (peer.name, peer.addresses, peer.port) == ("new name", ["[fe80::2%eth1]:8080"], 9)


def test_what_peers_say_of_themselves_is_written_late_and_what_the_owner_decides_at_once(
    a, party, monkeypatch
):
    b = party("b")
    admit(a, b)
    written = []
    write = a.home.write
    monkeypatch.setattr(a.home, "write", lambda name, data: written.append(name) or write(name, data))
    for number in range(1000):
        a.peers.tell(b.fingerprint, name=f"n{number}")
    assert a.peers.get(b.fingerprint).name == "n999" and not written
    a.peers.set(b.fingerprint, priority=3)
    assert len(written) == 1 and Peers(a.home).get(b.fingerprint).name == "n999"
    a.peers.write()  # nothing is left to write
    assert len(written) == 1

    async def late() -> None:
        a.peers.tell(b.fingerprint, name="last")
        task = asyncio.create_task(a.peers.write_late())
        async with asyncio.timeout(30):
            while Peers(a.home).get(b.fingerprint).name != "last":
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(late())


def test_what_could_not_be_written_late_is_written_later(a, party, monkeypatch):
    b = party("b")
    admit(a, b)
    monkeypatch.setattr("bago_jupyter.trust.peers.LATE", 0.01)
    write, tries = a.home.write, []

    def full(name, data):
        tries.append(name)
        if len(tries) < 3:
            raise StateError("Cannot write peers.json: No space left on device.")
        return write(name, data)

    async def late() -> None:
        a.peers.saw(b.fingerprint, "10.0.0.9:80")
        monkeypatch.setattr(a.home, "write", full)
        task = asyncio.create_task(a.peers.write_late())
        async with asyncio.timeout(30):
            while len(tries) < 3 or Peers(a.home).get(b.fingerprint).seen_at != ["10.0.0.9:80"]:
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(late())


def test_addresses_seen(a, party):
    b = party("b")
    admit(a, b)
    for at in ("10.0.0.2:8080", "10.0.0.9:8080", "10.0.0.9:8080", "10.0.0.2:8080"):
        a.peers.saw(b.fingerprint, at)
    assert a.peers.get(b.fingerprint).seen_at == ["10.0.0.2:8080", "10.0.0.9:8080"]


def test_listeners(a, party):
    b = party("b")
    heard = []
    stop = a.peers.listen(lambda change, peer: heard.append((change, peer.name)))
    admit(a, b)
    a.peers.set(b.fingerprint, priority=1)
    a.peers.tell(b.fingerprint)  # no news
    a.peers.remove(b.fingerprint)
    stop()
    admit(a, b)
    assert heard == [("added", "b"), ("updated", "b"), ("removed", "b")]


def test_a_damaged_file(a):
    a.home.write("peers.json", b'{"peers": [{"name": 3}]}')
    with set_aside(a.home, "peers.json"):
        assert len(Peers(a.home)) == 0


def test_where_it_is_lost_who_was_removed_no_team_key_brings_a_node(a, party):
    b, c = party("b"), party("c")
    admit(a, b, "team"), admit(a, c, "team")
    a.peers.remove(b.fingerprint)
    a.home.write("peers.json", b"rubbish")
    with set_aside(a.home, "peers.json"):
        Peers(a.home)
    a.peers = Peers(a.home)  # at the next start too
    for party_of_team in (b, c):
        assert a.peers.barred(party_of_team.fingerprint)
        with pytest.raises(Refused):
            admit(a, party_of_team, "team")
    admit(a, c, "key")
    a.peers = Peers(a.home)
    assert [peer.name for peer in a.peers] == ["c"]
    with pytest.raises(Refused):
        admit(a, b, "team")
    a.peers.trust_team()
    a.peers = Peers(a.home)
    admit(a, b, "team")
    assert {peer.name for peer in a.peers} == {"b", "c"}


def test_the_team_key_opens_nothing_before_that_is_written(a, party, monkeypatch):
    b = party("b")
    a.home.write("peers.json", b"rubbish")
    with set_aside(a.home, "peers.json"):
        a.peers = Peers(a.home)

    def full(name, data):
        raise StateError("Cannot write peers.json: No space left on device.")

    with monkeypatch.context() as patch:
        patch.setattr(a.home, "write", full)
        with pytest.raises(StateError, match="No space"):
            a.peers.trust_team()
    assert a.peers.barred(b.fingerprint)
    a.peers.trust_team()
    assert not a.peers.barred(b.fingerprint) and not Peers(a.home).barred(b.fingerprint)


def test_a_certificate_of_another_node_is_no_peer(a, party):
    b, c = party("b"), party("c")
    admit(a, b), admit(a, c)
    kept = json.loads(a.home.read("peers.json"))
    kept["peers"][0]["certificate"] = kept["peers"][1]["certificate"]
    (a.home.root / "peers.json").write_text(json.dumps(kept))
    with set_aside(a.home, "peers.json"):
        assert len(Peers(a.home)) == 0


def test_no_certificate_no_peer(a, party):
    b = party("b")
    with pytest.raises(BadCertificate):
        admit(a, b, der=b"\x30\x03\x02\x01\x01")
    assert len(a.peers) == 0
