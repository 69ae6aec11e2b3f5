"""A home in which one file is damaged: the node comes up, says it in a sentence, and lets nobody in more.

The home is one that a real node filled. 150 examples; ``BAGO_LONG=1`` (``make test-long``) plays 2,000.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from connections.servers import Server
from engines.making import gguf_bytes
from faults import Faults

import bago_jupyter as bago
from bago_jupyter.connections.connection import Connection
from bago_jupyter.connections.keychain import Keychain
from bago_jupyter.errors import SettingsError
from bago_jupyter.identity import Identity
from bago_jupyter.router import Offer, Table
from bago_jupyter.settings import Settings
from bago_jupyter.state import Home, unseal
from bago_jupyter.trust import certificate
from bago_jupyter.trust.peers import Via
from bago_jupyter.trust.secret import Secret

LONG = bool(os.environ.get("BAGO_LONG"))
EXAMPLES = 2000 if LONG else 150
TEAM, API_KEY, KEY = "team-secret-key-2024", "sk-of-the-settings-0123", "sk-of-the-server-0123"
UNSEALED = ("settings.toml", "stats.db")
"""The user's own; and SQLite's, which checks itself."""
WITHOUT_A_WORD = ("node.json", "library.json", "settings.toml")
"""What is made anew anyway; and what is refused where it is damaged."""


class Example(NamedTuple):
    number: int
    file: str
    data: bytes


class Access(NamedTuple):
    """Who may do what. Each part may only shrink."""

    peers: frozenset[str]
    tokens: frozenset[str]
    open_keys: frozenset[str]
    api_keys: frozenset[str]
    shared: frozenset[str]
    secrets: frozenset[tuple[str, str]]
    """Keys and the places to which they go."""
    team: frozenset[str]
    """Of the nodes known here, those that a team key would bring."""
    firsts: frozenset[str]
    """Weights that were there first under a name."""
    joined: frozenset[str]
    """Weights that get prompts under the name of others."""


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    async def works(self: Keychain) -> bool:
        return False

    monkeypatch.setattr(Keychain, "works", works)


class Full:
    """A home that a node filled with all that it can write."""

    def __init__(self, root: Path):
        self.root = root
        (root / "models").mkdir(parents=True, mode=0o700)
        root.chmod(0o700)
        (root / "settings.toml").write_text(f'# mine\nname = "ada"\nslots = 2\napi_key = "{API_KEY}"\n')
        (root / "models" / "tiny.gguf").write_bytes(gguf_bytes())
        (root / "models" / "hidden.gguf").write_bytes(gguf_bytes(elements=96))
        self.others = [Identity.open(Home(root.parent / name)) for name in ("bob", "cyd", "dan")]
        asyncio.run(self._fill())
        names = [path.name for path in sorted(root.iterdir()) if path.is_file()]
        self.files = [name for name in names if name not in ("node.lock", "node.log", "stats.db-journal")]

    async def _fill(self) -> None:
        async with Faults(Server("m", key=KEY)) as server:
            node = await started(self.root)
            fill_peers(node, self.others)
            node.mesh.issued.issue("ada", ["192.0.2.1:8080"])
            used = node.mesh.issued.issue("ada", ["192.0.2.1:8080"])
            node.mesh.issued.revoke(used.id)
            node._context.api_keys.add("laptop")
            node.mesh.sharing.set("hidden", False)
            node.routes.set("code", ["tiny", "m"])
            other = Offer(
                backend="p", node="p", model="tiny", tasks=frozenset(), peer=True, digest=f"{7:064}"
            )
            node.joined.join("tiny", [f"{7:064}"], Table([other]))
            senior = f"peer:{self.others[0].fingerprint[3:11]}"
            node.dispatcher.weights.first = {"tiny": (f"{7:064}", senior)}
            await node.connections.add(Connection(name="gpu", url=server.url), Secret(KEY), force=True)
            async with httpx.AsyncClient() as http:
                await http.post(
                    f"http://127.0.0.1:{node.file.port}/v1/chat/completions",
                    json={"model": "m", "messages": []},
                    headers={"authorization": f"Bearer {API_KEY}"},
                    timeout=60,
                )
            await node.statistics.flush()
            self.node_file = (self.root / "node.json").read_bytes()
            self.access = accessible(node, self.others)
            await node.stop()
        (self.root / "node.json").write_bytes(self.node_file)

    def damaged(self, number: int) -> Example:
        chance = random.Random(number)
        file = self.files[number % len(self.files)]
        data = (self.root / file).read_bytes()
        place = chance.randrange(max(1, len(data)))
        deep = chance.choice([100, 5_000, 200_000])
        kind = chance.choice(["flip", "flip", "flip", "cut", "cut", "nested", "zeros", "twice", "noise"])
        if kind == "flip":
            data = data[:place] + bytes([data[place] ^ chance.randrange(1, 256)]) + data[place + 1 :]
        elif kind == "cut":
            data = data[:place]
        elif kind == "nested":
            start, more = chance.choice(
                [(b"", b"["), (b"", b'{"a":'), (b"slots = ", b"["), (b"a = ", b"{a = ")]
            )
            data = start + more * deep
        elif kind == "zeros":
            data = b"\0" * len(data)
        elif kind == "twice":
            data = data + data
        else:
            data = chance.randbytes(len(data))
        return Example(number, file, data)


async def started(root: Path) -> bago.Node:
    arguments = {"home": str(root), "port": 0, "discovery": False, "cluster_key": TEAM, "loop": "asyncio"}
    return await bago.Node(Settings.load(arguments, {})).start()


def fill_peers(node: bago.Node, others: list[Identity]) -> None:
    """Two peers, one of them by team, and one that was removed."""
    vias: list[Via] = ["key", "team", "team"]
    for identity, via in zip(others, vias, strict=True):
        node.mesh.peers.admit(
            der=certificate.own_certificate(identity),
            name=identity.short,
            addresses=[],
            port=1,
            via=via,
            token=Secret.mint(),
            expects=Secret.mint(),
        )
    node.mesh.peers.remove(others[2].fingerprint)


def accessible(node: bago.Node, others: list[Identity]) -> Access:
    peers, connections = list(node.mesh.peers), node.connections.all()
    texts = node.connections._secrets._texts
    issued = node.mesh.issued
    return Access(
        peers=frozenset(f"{peer.fingerprint} {peer.certificate} {peer.allow_control}" for peer in peers),
        tokens=frozenset(f"{peer.fingerprint} {token}" for peer in peers for token in peer.accepts),
        open_keys=frozenset(f"{k.id} {k.verifier!r}" for k in issued.listed() if k.state(0) == "open"),
        api_keys=frozenset(key.sha256 for key, _ in node._context.api_keys.listed()),
        shared=frozenset(name for name in ("tiny", "hidden") if node.mesh.sharing.shares(name))
        | {entry.connection.name for entry in connections if entry.connection.share},
        secrets=frozenset(
            (str(texts.get(entry.connection.name)), entry.connection.url)
            for entry in connections
            if texts.get(entry.connection.name)
        ),
        team=frozenset(o.fingerprint for o in others if not node.mesh.peers.barred(o.fingerprint)),
        firsts=frozenset(f"{name} {first}" for name, first in node.dispatcher.weights.first.items()),
        joined=frozenset(f"{name} {digest}" for name, all in node.joined.all().items() for digest in all),
    )


def judge(full: Full, root: Path, example: Example) -> None:
    try:
        notices = asyncio.run(visited(full, root))
    except SettingsError as error:
        if example.file != "settings.toml" or "\n" in error.message:
            raise
        return
    aside = [path.name for path in root.iterdir() if path.name.endswith(".damaged")]
    said = [text for text in notices if "damaged" in text]
    assert len(said) == len(aside) <= 1, (said, aside)
    assert all(name in text for name, text in zip(aside, said, strict=True))
    if example.file not in (*WITHOUT_A_WORD, *UNSEALED) and not aside:
        assert unsealed(example.data) == unsealed((full.root / example.file).read_bytes())
    for path in root.iterdir():
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0 or path.name == "settings.toml", path
    assert "Traceback" not in (root / "node.log").read_text("utf-8", "replace")


async def visited(full: Full, root: Path) -> list[str]:
    """What the node of a damaged home told its owner, while nobody was let in."""
    node = await started(root)
    try:
        url = f"http://127.0.0.1:{node.file.port}/v1/models"
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            assert (await http.get(url)).status_code == 401
            assert (await http.get(url, headers={"x-api-key": "wrong"})).status_code == 401
            key = str(node.file.api_key)
            assert len(key) > 15 and (await http.get(url, headers={"x-api-key": key})).status_code == 200
        await node.statistics.flush()
        await node.statistics.summary()
        await asyncio.sleep(0)
        now = accessible(node, full.others)
        assert not [part for part in Access._fields if not getattr(now, part) <= getattr(full.access, part)]
        assert not node.settings.external
    finally:
        await node.stop()
    return node.notices


def unsealed(data: bytes) -> bytes:
    """What counts of a file: PEM is read without what stands around it, JSON without a line's end."""
    data = unseal(data).rstrip(b"\n")
    return data.partition(b"-----END PRIVATE KEY")[0] if b"PRIVATE KEY" in data else data


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Full]:
    with pytest.MonkeyPatch.context() as patch:

        async def works(self: Keychain) -> bool:
            return False

        patch.setattr(Keychain, "works", works)
        yield Full(tmp_path_factory.mktemp("full") / "home")


def test_the_home_is_full(full: Full) -> None:
    assert set(full.files) >= {
        *("identity", "api_key", "apikeys.json", "keys.json", "peers.json", "team", "sharing.json"),
        *("routes.json", "connections.json", "secrets.json", "library.json", "node.json", "stats.db"),
        *("settings.toml", "joined.json", "firsts.json"),
    }
    assert all(full.access), full.access
    for name in full.files:
        if name not in UNSEALED:
            data = (full.root / name).read_bytes()
            assert unseal(data) != data, f"{name} has no checksum"


@pytest.mark.timeout(0 if LONG else 600)
def test_damage_is_said_and_opens_nothing(full: Full, tmp_path: Path) -> None:
    for number in range(EXAMPLES):
        example = full.damaged(number)
        root = tmp_path / str(number)
        shutil.copytree(full.root, root)
        (root / example.file).write_bytes(example.data)
        try:
            judge(full, root, example)
        except BaseException as error:
            error.add_note(f"example {number}: {example.file} is {example.data[:300]!r}")
            raise
        shutil.rmtree(root)
