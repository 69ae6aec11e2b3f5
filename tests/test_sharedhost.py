"""Machines of several people: how they are known, and that a node there asks for a key, and goes on to."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aside import set_aside
from connections.servers import Server
from faults import Faults

import bago_jupyter as bago
from bago_jupyter import sharedhost
from bago_jupyter.connections.connection import Connection
from bago_jupyter.connections.keychain import Keychain
from bago_jupyter.settings import Settings
from bago_jupyter.sharedhost import FILE, is_shared, with_key
from bago_jupyter.state import Home
from bago_jupyter.trust.secret import Secret

ME = 1000


def user(uid: int, shell: str = "/bin/bash") -> pwd.struct_passwd:
    return pwd.struct_passwd((f"u{uid}", "x", uid, uid, "", f"/home/u{uid}", shell))


class Machine:
    """Who is listed, who is known when asked for, who has a process, and who runs the node."""

    def __init__(self, patch: pytest.MonkeyPatch):
        self.patch = patch
        for name in sharedhost._SERVICES:
            patch.delenv(name, raising=False)
        self.has([user(0), user(65_534, "/usr/sbin/nologin"), user(ME)])

    def has(
        self,
        listed: list[pwd.struct_passwd],
        unlisted: Iterable[pwd.struct_passwd] = (),
        seen: Iterable[int] = (),
        me: int = ME,
    ) -> bool:
        known = {entry.pw_uid: entry for entry in (*listed, *unlisted)}
        self.patch.setattr(pwd, "getpwall", lambda: listed)
        self.patch.setattr(pwd, "getpwuid", lambda uid: known[uid])
        self.patch.setattr(os, "getuid", lambda: me)
        self.patch.setattr(sharedhost, "_seen", lambda: iter(seen))
        return is_shared()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    return Machine(monkeypatch)


def test_who_is_known_to_use_a_machine(machine: Machine) -> None:
    alone, service = [user(0), user(ME)], user(990, "/usr/sbin/nologin")
    directory = user(1_234_600_007)
    assert not machine.has(alone)
    assert not machine.has([*alone, service, user(65_534), user(61_200), user(1001, "/bin/false")])
    assert not machine.has(alone, me=0), "an administrator is the one person"
    assert machine.has([*alone, user(1001)])
    assert machine.has([*alone, user(60_001)]), "systemd-homed"
    assert machine.has([*alone, directory]), "a directory that lists its people"
    assert machine.has([*alone, service], me=990), "a person beside a service"
    assert machine.has(alone, unlisted=[directory], seen=[directory.pw_uid]), "one who is logged in"
    assert machine.has(alone, unlisted=[directory], me=directory.pw_uid), "all of the directory may come"
    assert not machine.has(alone, seen=[1001, 999]), "of a container, whose users are none of this machine"
    assert not machine.has(alone, me=4711), "in a container, under a number alone"


@pytest.mark.parametrize("name", sharedhost._SERVICES)
def test_what_hubs_and_schedulers_leave(machine: Machine, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert not is_shared()
    monkeypatch.setenv(name, "1")
    assert is_shared()


def test_processes_and_homes_are_seen() -> None:
    assert os.getuid() in sharedhost._seen()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def settings(home: Home, **more: Any) -> Settings:
    return Settings.load({"home": str(home.root), **more}, {})


def test_a_key_is_made_where_the_machine_is_shared(machine: Machine, home: Home) -> None:
    assert with_key(settings(home), home).api_key is None
    assert not (home.root / FILE).exists()
    machine.has([user(ME), user(1001)])
    key = with_key(settings(home), home).api_key
    assert key and with_key(settings(home), home).api_key == key
    assert (home.root / FILE).stat().st_mode & 0o777 == 0o600


def test_a_node_that_asked_for_a_key_goes_on_to(machine: Machine, home: Home) -> None:
    said: list[str] = []
    home.notice = said.append
    assert with_key(settings(home, api_key="given"), home).api_key == "given"
    assert b"given" not in (home.root / FILE).read_bytes(), "a key of the settings is not kept"
    assert not said
    key = with_key(settings(home), home).api_key
    assert key and key != "given"
    assert len(said) == 1 and str(home.root / FILE) in said[0]
    sharedhost.forget_key(home)
    assert with_key(settings(home), home).api_key is None


@pytest.mark.parametrize("junk", [b"", b"x", b"s3cret\n", b"\0" * 32])
def test_a_damaged_key_is_another_key(machine: Machine, home: Home, junk: bytes) -> None:
    with_key(settings(home, api_key="given"), home)
    (home.root / FILE).write_bytes(junk)
    with set_aside(home, FILE):
        key = with_key(settings(home, api_key="given"), home).api_key
    assert key == "given"
    assert len(str(with_key(settings(home), home).api_key)) == 32


def test_a_node_with_a_key_of_somebody_asks_for_one_once_others_come(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def works(self: Keychain) -> bool:
        return False

    monkeypatch.setattr(Keychain, "works", works)

    async def main() -> None:
        async with Faults(Server("m", key="sk-of-the-server")) as server, httpx.AsyncClient() as http:
            loaded = Settings.load({"home": str(tmp_path / "node"), "port": 0, "discovery": False}, {})
            node = await bago.Node(loaded).start()
            try:
                url = f"http://127.0.0.1:{node.file.port}/v1/models"
                machine.has([user(ME), user(1001)])
                assert (await http.get(url)).status_code == 200
                await node.connections.add(Connection(name="gpu", url=server.url), Secret("sk-of-the-server"))
                assert (await http.get(url)).status_code == 401
                file = node.home.read_node()
                assert file is not None and file.api_key
                assert (await http.get(url, headers={"x-api-key": file.api_key})).status_code == 200
                await node._configure({"api_key": None})
                assert (await http.get(url)).status_code == 401, "not where others are"
                machine.has([user(ME)])
                await node._configure({"api_key": None})
                assert (await http.get(url)).status_code == 200
                assert (await http.get(url, headers={"x-api-key": "any"})).status_code == 200
            finally:
                await node.stop()

    asyncio.run(main())
