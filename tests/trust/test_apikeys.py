"""Named API keys as they are kept."""

from __future__ import annotations

import base64
import stat

import pytest
from aside import set_aside

from bago_jupyter.errors import InvalidRequest, NotFound, Overloaded, StateError
from bago_jupyter.state import Home
from bago_jupyter.trust import apikeys
from bago_jupyter.trust.apikeys import FILE, PREFIX, ApiKeys

NOW = 1_800_000_000.0


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def presented(secret):
    return secret.reveal().encode()


def test_a_key_names_its_owner_until_it_is_removed(home):
    keys = ApiKeys(home)
    ada, bob = keys.add("ada"), keys.add("bob")
    assert keys.name_of(presented(ada)) == "ada"
    assert keys.name_of(presented(bob)) == "bob"
    keys.remove("ada")
    assert keys.name_of(presented(ada)) is None
    assert keys.name_of(presented(bob)) == "bob"
    again = keys.add("ada")
    assert again != ada
    assert keys.name_of(presented(ada)) is None


def test_it_survives_a_restart_and_so_does_its_removal(home):
    keys = ApiKeys(home)
    ada, bob = keys.add("ada", NOW), keys.add("bob", NOW)
    keys.remove("bob")
    later = ApiKeys(home)
    assert later.name_of(presented(ada)) == "ada"
    assert later.name_of(presented(bob)) is None
    assert [(key.name, key.created) for key, _ in later.listed()] == [("ada", NOW)]


def test_a_key_has_256_random_bits_behind_its_prefix(home):
    text = ApiKeys(home).add("ada").reveal()
    assert text.startswith(PREFIX)
    assert len(base64.urlsafe_b64decode(text.removeprefix(PREFIX) + "=")) == 32


@pytest.mark.parametrize(
    "wrong", [None, b"", b"bago-sk-", b"none-needed", b"\xff" * 50, b"bago-sk-" + b"A" * 43]
)
def test_nothing_else_is_a_key(home, wrong):
    keys = ApiKeys(home)
    assert keys.name_of(wrong) is None
    right = presented(keys.add("ada"))
    assert keys.name_of(wrong) is None
    for near in (right[:-1], right + b"A", right[:-1] + b"~", right.upper(), b" " + right):
        assert keys.name_of(near) is None


def test_its_last_use_is_known_while_the_node_runs(home):
    keys = ApiKeys(home)
    ada = keys.add("ada")
    keys.add("bob")
    assert [used for _, used in keys.listed()] == [None, None]
    keys.name_of(presented(ada))
    (_, used), (_, never) = keys.listed()
    assert never is None
    assert used is not None
    assert used >= keys.listed()[0][0].created
    assert ApiKeys(home).listed()[0][1] is None
    keys.remove("ada")
    keys.add("ada")
    assert keys.listed()[0][1] is None


def test_the_file_holds_no_key_and_is_private(home):
    keys = ApiKeys(home)
    text = keys.add("ada").reveal()
    path = home.root / FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = path.read_text()
    assert "ada" in kept
    assert text not in kept
    assert text.removeprefix(PREFIX) not in kept
    assert text not in repr(keys.listed()) + repr(keys.add("bob")) + repr(vars(keys))


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "a" * 64, "tab\there", "\u202eabc", " ada", "ada "])
def test_a_name_that_cannot_be_shown_is_refused(home, name):
    with pytest.raises(InvalidRequest, match="printable"):
        ApiKeys(home).add(name)
    assert not (home.root / FILE).exists()


def test_names_are_given_once_and_removed_once(home):
    keys = ApiKeys(home)
    first = keys.add("ada")
    with pytest.raises(InvalidRequest, match="already"):
        keys.add("ada")
    assert keys.name_of(presented(first)) == "ada"
    with pytest.raises(NotFound, match="There are: ada"):
        keys.remove("bob")


def test_there_is_a_limit(home, monkeypatch):
    monkeypatch.setattr(apikeys, "LIMIT", 2)
    keys = ApiKeys(home)
    keys.add("ada"), keys.add("bob")
    with pytest.raises(Overloaded):
        keys.add("cyd")


@pytest.mark.parametrize("data", [b"{", b'[{"name": "ada"}]', b'[{"name":"a","sha256":"xy","created":1}]'])
def test_a_damaged_file_is_set_aside(home, data):
    home.write(FILE, data)
    with set_aside(home, FILE):
        assert ApiKeys(home).listed() == []


def test_a_key_that_could_not_be_written_is_not_valid(home, monkeypatch):
    keys = ApiKeys(home)
    made = []
    mint = apikeys.Secret.mint
    monkeypatch.setattr(apikeys.Secret, "mint", lambda: made.append(mint()) or made[-1])
    home.root.rmdir()
    with pytest.raises(StateError):
        keys.add("ada")
    assert keys.name_of((PREFIX + made[0].reveal()).encode()) is None
    assert keys.listed() == []
