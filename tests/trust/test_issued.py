"""Keys that were given out."""

from __future__ import annotations

import stat

import pytest
from aside import set_aside

from bago_jupyter.errors import NotFound, Overloaded, SettingsError, StateError
from bago_jupyter.state import Home
from bago_jupyter.trust.issued import KEPT, LIMIT, IssuedKeys
from bago_jupyter.trust.refusal import Refused

NOW = 1_800_000_000.0
FINGERPRINT = "fp_" + "ab" * 32
WHERE = ["10.0.0.1:8080"]
T = b"t" * 32


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def keys(home):
    return IssuedKeys(home, FINGERPRINT)


def test_one_use(keys):
    key = keys.issue("a", WHERE, now=NOW)
    keys.redeem(key.id, T, key.prove(T), "fp_1", now=NOW + 1)
    with pytest.raises(Refused, match="used already"):
        keys.redeem(key.id, T, key.prove(T), "fp_2", now=NOW + 2)
    with pytest.raises(Refused, match="used already"):
        keys.redeem(key.id, T, key.prove(T), "fp_1", now=NOW + 2)
    keys.redeem(key.id, T, key.prove(T), "fp_1", again=True, now=NOW + 2)
    with pytest.raises(Refused, match="used already"):
        keys.redeem(key.id, T, key.prove(T), "fp_2", again=True, now=NOW + 2)
    assert keys.listed(NOW + 3)[0].state(NOW + 3) == "used"
    assert keys.listed(NOW + 3)[0].used_by == "fp_1"


def test_expired(keys):
    key = keys.issue("a", WHERE, ttl=60, now=NOW)
    with pytest.raises(Refused, match="expired"):
        keys.redeem(key.id, T, key.prove(T), "fp_1", now=NOW + 60)
    assert keys.listed(NOW + 60)[0].state(NOW + 60) == "expired"


def test_revoked(keys):
    key, other = keys.issue("a", WHERE, now=NOW), keys.issue("a", WHERE, now=NOW)
    keys.revoke(key.id, now=NOW)
    with pytest.raises(Refused, match="revoked"):
        keys.redeem(key.id, T, key.prove(T), "fp_1", now=NOW)
    keys.redeem(other.id, T, other.prove(T), "fp_1", now=NOW)
    with pytest.raises(NotFound):
        keys.revoke("nonsense")


def test_strangers_learn_no_reason(keys):
    key, other = keys.issue("a", WHERE, now=NOW), keys.issue("a", WHERE, now=NOW)
    keys.revoke(key.id, now=NOW)
    tries = [
        ("unknown", T, key.prove(T)),
        (key.id, T, other.prove(T)),
        (key.id, b"u", key.prove(T)),
        (key.id, T, b""),
    ]
    for key_id, digest, proof in tries:
        with pytest.raises(Refused, match="not valid here"):
            keys.redeem(key_id, digest, proof, "fp_1", now=NOW)
    keys.redeem(other.id, T, other.prove(T), "fp_1", now=NOW)


def test_a_restart_keeps_keys_and_their_use(home, keys):
    key, used = keys.issue("a", WHERE, now=NOW), keys.issue("a", WHERE, now=NOW)
    keys.redeem(used.id, T, used.prove(T), "fp_1", now=NOW)
    again = IssuedKeys(home, FINGERPRINT)
    again.redeem(key.id, T, key.prove(T), "fp_1", now=NOW)
    with pytest.raises(Refused, match="used already"):
        again.redeem(used.id, T, used.prove(T), "fp_2", now=NOW)


def test_the_file_holds_no_secret_and_is_the_owners_alone(home, keys):
    key = keys.issue("a", WHERE, now=NOW)
    path = home.root / "keys.json"
    text = path.read_text()
    assert key.id in text
    assert key.secret.reveal() not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_old_ones_are_forgotten(keys):
    key = keys.issue("a", WHERE, ttl=60, now=NOW)
    later = NOW + 60 + KEPT
    assert keys.listed(later) == []
    keys.issue("a", WHERE, now=later)
    with pytest.raises(Refused, match="not valid here"):
        keys.redeem(key.id, T, key.prove(T), "fp_1", now=later)


def test_limits(keys):
    with pytest.raises(SettingsError):
        keys.issue("a", WHERE, ttl=0, now=NOW)
    for _ in range(LIMIT):
        keys.issue("a", WHERE, now=NOW)
    with pytest.raises(Overloaded):
        keys.issue("a", WHERE, now=NOW)


def test_a_damaged_file(home):
    home.write("keys.json", b"[{")
    with set_aside(home, "keys.json"):
        assert IssuedKeys(home, FINGERPRINT).listed(NOW) == []


def test_a_key_that_cannot_be_kept_is_none(keys, home):
    (home.root / "keys.json").mkdir()
    with pytest.raises(StateError, match="Cannot write"):
        keys.issue("a", WHERE, now=NOW)
    assert keys.listed(NOW) == []


def test_a_key_that_cannot_be_written_is_as_it_was(keys, home):
    key = keys.issue("a", WHERE, now=NOW)
    file = home.root / "keys.json"
    file.unlink()
    file.mkdir()
    with pytest.raises(StateError, match="Cannot write"):
        keys.revoke(key.id, NOW)
    with pytest.raises(StateError, match="Cannot write"):
        keys.redeem(key.id, T, key.prove(T), "fp_b", now=NOW)
    assert [kept.state(NOW) for kept in keys.listed(NOW)] == ["open"]
    file.rmdir()
    assert keys.revoke(key.id, NOW).state(NOW) == "revoked"
