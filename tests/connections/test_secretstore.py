"""Keys of connections: which place wins, where they lie, and keyrings that misbehave."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from aside import set_aside

from bago_jupyter.connections.keychain import Asked, Keychain, Said
from bago_jupyter.connections.secretstore import FILE, Secrets
from bago_jupyter.errors import SettingsError, StateError
from bago_jupyter.state import Home
from bago_jupyter.trust.secret import Secret

KEY = "sk-0123456789"
PLUGIN = """
import json, os, pathlib, sys, time, getpass
from keyring.backend import KeyringBackend

FILE = pathlib.Path(__file__).with_name("ring.json")

class Good(KeyringBackend):
    priority = 5
    def _all(self):
        return json.loads(FILE.read_text()) if FILE.exists() else {}
    def get_password(self, service, name):
        print("a plugin that prints")
        return self._all().get(service + "|" + name)
    def set_password(self, service, name, text):
        FILE.write_text(json.dumps(self._all() | {service + "|" + name: text}))
    def delete_password(self, service, name):
        kept = self._all()
        kept.pop(service + "|" + name)
        FILE.write_text(json.dumps(kept))

class Hanging(Good):
    def set_password(self, service, name, text):
        time.sleep(600)

class Asking(Good):
    def set_password(self, service, name, text):
        open("/dev/tty").readline()
        getpass.getpass("Password for the keyring: ")

class Failing(Good):
    def set_password(self, service, name, text):
        raise RuntimeError("locked: " + text)

class Forgetful(Good):
    def get_password(self, service, name):
        return None

class Plain(Good):
    priority = 0.5
"""


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 120))


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Choose the keyring of the user; returns the file of the good one."""
    (tmp_path / "ring_of_test.py").write_text(PLUGIN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def choose(name: str) -> Path:
        known = name if "." in name else f"ring_of_test.{name}"
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", known)
        return tmp_path / "ring.json"

    return choose


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def patient(home: Home) -> Secrets:
    """Gives a keyring that works all the time that it needs on a busy machine."""
    return Secrets(home, Keychain(timeout=60))


def test_a_keyring_that_works_keeps_it_and_no_file_does(ring: Any, home: Home) -> None:
    async def main() -> None:
        file = ring("Good")
        secrets = patient(home)
        assert await secrets.put("gpu", Secret(KEY)) == "keyring"
        assert KEY in file.read_text()
        assert KEY not in (home.root / FILE).read_text()
        kept = await patient(home).get("gpu")
        assert kept is not None
        assert (kept.secret.reveal(), kept.source) == (KEY, "keyring")
        assert KEY not in repr(kept)
        await secrets.forget("gpu")
        assert json.loads(file.read_text()) == {}
        assert await patient(home).get("gpu") is None

    run(main())


def test_two_homes_of_one_user_do_not_share_a_name(ring: Any, tmp_path: Path) -> None:
    async def main() -> None:
        ring("Good")
        one, other = patient(Home(tmp_path / "one")), patient(Home(tmp_path / "two"))
        await one.put("gpu", Secret("first"))
        await other.put("gpu", Secret("second"))
        kept = await one.get("gpu")
        assert kept is not None
        assert kept.secret.reveal() == "first"

    run(main())


@pytest.mark.parametrize(
    "name",
    ["Hanging", "Asking", "Failing", "Forgetful", "Plain", "keyring.backends.null.Keyring",
     "keyring.backends.fail.Keyring", "not.there.Keyring"],
)  # fmt: skip
def test_with_any_other_the_file_keeps_it(ring: Any, home: Home, name: str) -> None:
    async def main() -> None:
        ring(name)
        secrets = Secrets(home, Keychain(timeout=1.5))
        assert await secrets.put("gpu", Secret(KEY)) == "file"
        assert stat.S_IMODE((home.root / FILE).stat().st_mode) == 0o600
        kept = await Secrets(home).get("gpu")
        assert kept is not None
        assert (kept.secret.reveal(), kept.source) == (KEY, "file")
        await secrets.forget("gpu")
        assert KEY not in (home.root / FILE).read_text()

    run(main())


def test_the_named_variable_then_what_was_given_then_the_usual_variable(
    ring: Any, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        ring("keyring.backends.null.Keyring")
        secrets = Secrets(home)
        await secrets.put("gpu", Secret(KEY))
        monkeypatch.setenv("USUAL_OF_TEST", "usual")
        kept = await secrets.get("gpu", "NAMED_OF_TEST", "USUAL_OF_TEST")
        assert kept is not None
        assert (kept.secret.reveal(), kept.source) == (KEY, "file")
        kept = await secrets.get("other", "NAMED_OF_TEST", "USUAL_OF_TEST")
        assert kept is not None
        assert (kept.secret.reveal(), kept.source) == ("usual", "environment USUAL_OF_TEST")
        monkeypatch.setenv("NAMED_OF_TEST", "named\n")
        kept = await secrets.get("gpu", "NAMED_OF_TEST", "USUAL_OF_TEST")
        assert kept is not None
        assert kept.secret.reveal() == "named"
        kept = await secrets.get("gpu", None, "UNSET_OF_TEST")
        assert kept is not None
        assert kept.source == "file"
        assert await secrets.get("other") is None

    run(main())


@pytest.mark.parametrize("text", ["", "two words", "line\r\nx-evil: 1", "schlüssel"])
def test_what_is_no_key_is_refused_without_showing_it(home: Home, text: str) -> None:
    async def main() -> None:
        with pytest.raises(SettingsError, match="no key") as caught:
            await Secrets(home).put("gpu", Secret(text))
        assert not text or text not in str(caught.value)

    run(main())


@pytest.mark.parametrize("text", [b"[1", b'{"gpu": "two words"}'])
def test_a_damaged_file_is_set_aside(home: Home, text: bytes) -> None:
    home.write(FILE, text)
    with set_aside(home, FILE):
        assert run(Secrets(home).get("gpu")) is None


def test_what_goes_to_the_child_does_not_show_itself() -> None:
    assert KEY not in repr(Asked(what="put", name="a", text=KEY)) + repr(Said(ok=True, text=KEY))


def test_what_cannot_be_written_does_not_change(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keychain, "works", _never)
    secrets = Secrets(home)

    async def main() -> None:
        await secrets.put("gpu", Secret(KEY))
        (home.root / FILE).unlink()
        (home.root / FILE).mkdir()
        for attempt in (lambda: secrets.put("gpu", Secret("sk-other")), lambda: secrets.forget("gpu")):
            with pytest.raises(StateError, match="Cannot write"):
                await attempt()
            kept = await secrets.get("gpu")
            assert kept is not None and kept.secret.reveal() == KEY

    asyncio.run(main())


async def _never(self: Keychain) -> bool:
    return False
