"""Connections as they are described and kept."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from aside import set_aside

from bago_jupyter.connections.connection import FILE, Connection, Store, checked
from bago_jupyter.errors import SettingsError, StateError
from bago_jupyter.state import Home

GOOD: dict[str, Any] = {"name": "gpu", "url": "http://host:8000/v1"}


@pytest.mark.parametrize("name", ["gpu", "GPU-2", "büro_1", "a.b", "9"])
def test_names_that_fit_before_a_slash(name: str) -> None:
    assert checked(Connection(**{**GOOD, "name": name})).name == name


@pytest.mark.parametrize("name", ["", "a/b", "a b", "-x", ".x", "a\n", "{x}", "a'b", "x" * 64])
def test_names_that_do_not(name: str) -> None:
    with pytest.raises(SettingsError, match="name"):
        checked(Connection(**{**GOOD, "name": name}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"type": "nope"}, "no connection type 'nope'; there are openai, anthropic"),
        ({"type": "continuum_router", "url": ""}, "continuum_router needs a URL"),
        ({"url": "host:8000"}, "no|not an http"),
        ({"key_env": "my key"}, "The name of an environment variable"),
        ({"type": "backend_ai_cluster"}, "an access key and its secret key"),
        ({"access_key": "AKIA"}, "Only a backend_ai_cluster has a setting access_key"),
        ({"weight": -1.0}, "weight must be from 0 to 1000"),
        ({"weight": float("nan")}, "setting weight"),
        ({"slots": 0}, "slots must be from 1"),
        ({"priority": 10**6}, "setting priority"),
    ],
)
def test_what_cannot_be_is_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        checked(Connection(**{**GOOD, **changes}))


def test_clouds_know_where_they_are_and_their_key_goes_nowhere_else() -> None:
    def key_env(type: str, url: str = "") -> tuple[str, str | None]:
        made = checked(Connection(name="c", type=type, url=url))
        return made.url, made.kind.key_env

    assert key_env("openai") == ("https://api.openai.com/v1", "OPENAI_API_KEY")
    assert key_env("openai", "https://api.openai.com/v1")[1] == "OPENAI_API_KEY"
    assert key_env("openai", "http://localhost:8000")[1] is None
    assert key_env("openai", "https://api.openai.com.evil.example/v1")[1] is None
    assert key_env("anthropic") == ("https://api.anthropic.com/v1", "ANTHROPIC_API_KEY")
    assert key_env("anthropic", "http://localhost:8000")[1] is None
    assert key_env("gemini")[1] == "GEMINI_API_KEY"
    assert key_env("openai", "http://api.openai.com/v1")[1] is None
    assert key_env("anthropic", "http://api.anthropic.com/v1")[1] is None


def test_the_store_keeps_changes_and_forgets(tmp_path: Path) -> None:
    home = Home(tmp_path)
    store = Store(home)
    store.put(checked(Connection(**GOOD, priority=3, models=["a"])))
    store.put(checked(Connection(name="claude", type="anthropic")))
    assert Store(home).all() == store.all()
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    store.remove("gpu")
    assert [entry.name for entry in Store(home).all()] == ["claude"]


def test_what_cannot_be_written_does_not_change(tmp_path: Path) -> None:
    store = Store(Home(tmp_path))
    store.put(checked(Connection(**GOOD)))
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(StateError):
        store.put(checked(Connection(name="claude", type="anthropic")))
    with pytest.raises(StateError):
        store.remove("gpu")
    assert [entry.name for entry in store.all()] == ["gpu"]


@pytest.mark.parametrize(
    "text", [b"{", b"[{}]", b'[{"name":"a/b","url":"http://h"}]', b'[{"name":"a","url":"x"}]']
)
def test_a_damaged_file_is_set_aside(tmp_path: Path, text: bytes) -> None:
    home = Home(tmp_path)
    home.write(FILE, text)
    with set_aside(home, FILE):
        assert Store(home).all() == []
