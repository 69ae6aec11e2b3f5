"""Who a request counts for, and which keys let it in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psutil
import pytest
from faults import Call, Faults
from headless import Headless, until

import bago_jupyter as bago
from bago_jupyter.api.callers import PAIRED, Callers, manager
from bago_jupyter.backends import HttpBackend
from bago_jupyter.client import AsyncNodeClient, NodeClient
from bago_jupyter.client.caller import header, of_this_process
from bago_jupyter.errors import NotFound, Unauthorized
from bago_jupyter.http1.strangers import is_loopback
from bago_jupyter.loops import LoopThread
from bago_jupyter.settings import Settings
from bago_jupyter.state import Home
from bago_jupyter.trust.apikeys import ApiKeys
from bago_jupyter.trust.peers import Peer
from bago_jupyter.trust.secret import Secret

KEY = "settings-key"
ADMIN = "admin-token"
LOOPBACK = ("127.0.0.1", 1)
FAR = ("192.0.2.7", 1)
CHAT = "/v1/chat/completions"
BODY = {"model": "m", "messages": []}


class Host:
    """One node before a server that notes what reaches it."""

    def __init__(self, home: Path, **settings: Any):
        self.thread = LoopThread()
        self.backend = Faults(self._answer)
        self.thread.run(self.backend.__aenter__(), 60)
        values = {"home": home, "port": 0, "name": "here", **settings}
        far = HttpBackend("far", self.backend.url, ["m", "n"])
        self.node = bago.Node(Settings.load(values, {}), place="thread", backends=[far])
        self.thread.run(self.node.start(), 60)
        self.client = NodeClient(self.node.file)

    @staticmethod
    async def _answer(call: Call) -> None:
        await call.json(b'{"choices":[{"message":{"role":"assistant","content":"hi"}}]}')

    def ask(self, key: str | None = None, *, host: str = "127.0.0.1", **headers: str) -> httpx.Response:
        """One chat with ``key`` as an OpenAI client sends it."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            given["authorization"] = f"Bearer {key}"
        return httpx.post(f"http://{host}:{self.node.file.port}{CHAT}", json=BODY, headers=given)

    def caller(self, *arguments: Any, **headers: Any) -> str:
        """Under whom such a chat was counted."""
        assert self.ask(*arguments, **headers).status_code == 200
        return self.client.decisions(1)[0].caller

    def close(self) -> None:
        self.client.close()
        self.thread.run(self.node.stop(), 60)
        self.thread.run(self.backend.__aexit__(None, None, None), 60)
        self.thread.stop()


def arrived(sent: dict[bytes, bytes], client: Any) -> Any:
    """A request with these headers, from the address ``client``."""
    local = client is None or is_loopback(client[0])
    return SimpleNamespace(first=sent, local=local, address=client, known=lambda: None)


@pytest.fixture(scope="module")
def open_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A node that asks for no key."""
    host = Host(tmp_path_factory.mktemp("open"))
    yield host
    host.close()


@pytest.fixture(scope="module")
def keyed_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A node that asks for a key, also of other machines."""
    host = Host(tmp_path_factory.mktemp("keyed"), api_key=KEY, external=True, discovery=False)
    yield host
    host.close()


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """Callers of a node with the named key ``ada``, and that key."""
    keys = ApiKeys(Home(tmp_path / "home"))
    ada = keys.add("ada").reveal()

    def make(required: str | None) -> tuple[Callers, str]:
        settings = SimpleNamespace(api_key=required)
        context: Any = SimpleNamespace(api_keys=keys, settings=settings, admin_token=ADMIN)
        return Callers(context), ada

    return make


def headers(key: str | None, said: bytes | None = None, *, anthropic: bool = False) -> dict[bytes, bytes]:
    found = {} if said is None else {b"x-bago-caller": said}
    if key is not None:
        found |= {b"x-api-key": key.encode()} if anthropic else {b"authorization": f"Bearer {key}".encode()}
    return found


@pytest.mark.parametrize(
    ("required", "client", "key", "said", "caller"),
    [
        (None, LOOPBACK, None, None, "local"),
        (None, None, None, None, "local"),
        (None, ("::1", 1), None, None, "local"),
        (None, LOOPBACK, "unknown", None, "local"),
        (None, LOOPBACK, "bago-sk-unknown", None, "local"),
        (None, LOOPBACK, "ada", None, "key:ada"),
        (None, LOOPBACK, "ada", b"work.ipynb", "key:ada"),
        (None, LOOPBACK, None, b"work.ipynb", "notebook:work.ipynb"),
        (None, LOOPBACK, ADMIN, b"work.ipynb", "notebook:work.ipynb"),
        (None, LOOPBACK, ADMIN, b"cli", "cli"),
        (None, LOOPBACK, None, "\u00fcbung 1.ipynb".encode(), "notebook:\u00fcbung 1.ipynb"),
        (None, LOOPBACK, None, b"key:ada", "notebook:key:ada"),
        (None, LOOPBACK, None, b"x" * 64, "notebook:" + "x" * 64),
        (None, LOOPBACK, None, b"x" * 65, "local"),
        (None, LOOPBACK, None, b"", "local"),
        (None, LOOPBACK, None, b"two\tcolumns", "local"),
        (None, LOOPBACK, None, b"\xff\xfe", "local"),
        (None, LOOPBACK, None, "\u202eabc".encode(), "local"),
        (KEY, LOOPBACK, KEY, None, "local"),
        (KEY, LOOPBACK, KEY, b"work.ipynb", "notebook:work.ipynb"),
        (KEY, LOOPBACK, "ada", b"work.ipynb", "key:ada"),
        (KEY, LOOPBACK, ADMIN, None, "local"),
        (KEY, FAR, KEY, None, "address:192.0.2.7"),
        (KEY, FAR, KEY, b"work.ipynb", "address:192.0.2.7"),
        (KEY, FAR, ADMIN, b"work.ipynb", "notebook:work.ipynb"),
        (KEY, FAR, "ada", b"work.ipynb", "key:ada"),
        (KEY, ("2001:db8::7", 1), KEY, None, "address:2001:db8::7"),
    ],
)
@pytest.mark.parametrize("anthropic", [False, True])
def test_who_a_request_counts_for(
    make: Any,
    required: str | None,
    client: Any,
    key: str | None,
    said: bytes | None,
    caller: str,
    anthropic: bool,
) -> None:
    callers, ada = make(required)
    sent = headers(ada if key == "ada" else key, said, anthropic=anthropic)
    assert callers.client(arrived(sent, client)) == caller


@pytest.mark.parametrize(
    ("required", "client", "key"),
    [
        (KEY, LOOPBACK, None),
        (KEY, LOOPBACK, "wrong"),
        (KEY, LOOPBACK, "bago-sk-wrong"),
        (KEY, FAR, None),
        (KEY, FAR, ""),
        (KEY, FAR, "bago-sk-"),
        (None, FAR, None),
        (None, FAR, "wrong"),
    ],
)
def test_who_is_not_let_in(make: Any, required: str | None, client: Any, key: str | None) -> None:
    callers, _ = make(required)
    with pytest.raises(Unauthorized):
        callers.client(arrived(headers(key, b"work.ipynb"), client))


def test_a_peer_is_a_caller_of_its_own_kind() -> None:
    peer = Peer(fingerprint="fp_" + "ab" * 32, name="key:ada", certificate="", token=Secret("x"))
    assert Callers.peer(peer) == "peer:" + "ab" * 16, "it is what it proved, not what it calls itself"


def test_a_named_key_names_the_caller_where_none_is_asked_for(open_host: Host) -> None:
    key = open_host.client.add_api_key("laptop").key
    assert key is not None and key.startswith("bago-sk-")
    assert open_host.caller(key) == "key:laptop"
    assert open_host.caller(x_api_key=key) == "key:laptop"
    assert open_host.caller("none-needed") == open_host.caller() == "local"
    open_host.client.remove_api_key("laptop")
    assert open_host.caller(key) == "local"
    with pytest.raises(NotFound):
        open_host.client.remove_api_key("laptop")


def test_a_named_key_is_as_good_as_the_key_of_the_settings(keyed_host: Host) -> None:
    key = str(keyed_host.client.add_api_key("bob").key)
    models = f"{keyed_host.client.base_url}/models"
    assert httpx.get(models).status_code == keyed_host.ask().status_code == 401
    for good in (key, KEY):
        for sent in ({"authorization": f"Bearer {good}"}, {"x-api-key": good}):
            assert httpx.get(models, headers=sent).status_code == 200
    assert keyed_host.caller(key) == "key:bob"
    assert keyed_host.caller(KEY) == "local"
    for name in ("apikeys", "status", "routes"):
        managed = httpx.get(
            f"{keyed_host.client.url}/api/v1/{name}", headers={"authorization": f"Bearer {key}"}
        )
        assert managed.status_code == 401  # it opens /v1 and nothing else
    (listed,) = keyed_host.client.api_keys()
    assert (listed.name, listed.key) == ("bob", None)
    assert listed.last_used is not None and listed.last_used >= listed.created
    keyed_host.client.remove_api_key("bob")
    assert httpx.get(models, headers={"x-api-key": key}).status_code == 401
    refused = keyed_host.ask(key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert key not in refused.text


def test_another_machine_is_named_by_its_key_or_its_address(keyed_host: Host) -> None:
    address = own_address()
    key = str(keyed_host.client.add_api_key("far").key)
    assert keyed_host.ask(host=address).status_code == 401
    assert keyed_host.ask("bago-sk-" + "A" * 43, host=address).status_code == 401
    assert keyed_host.caller(key, host=address) == "key:far"
    assert keyed_host.caller(KEY, host=address, x_bago_caller="work.ipynb") == f"address:{address}"
    url = f"http://{address}:{keyed_host.node.file.port}"
    assert httpx.get(f"{url}/v1/models", headers={"x-api-key": key}).status_code == 200
    assert httpx.get(f"{url}/metrics", headers={"x-api-key": key}).status_code == 401
    assert httpx.get(f"{url}/api/v1/apikeys", headers={"x-api-key": key}).status_code == 403
    keyed_host.client.remove_api_key("far")
    assert keyed_host.ask(key, host=address).status_code == 401


def test_clients_say_who_they_are_and_no_backend_hears_it(open_host: Host) -> None:
    file = open_host.node.file
    for name, caller in (("\u00dcbung.ipynb", "notebook:\u00dcbung.ipynb"), ("cli", "cli"), (None, "local")):
        with NodeClient(file, caller=name) as client, client.chat([], model="m") as (_, pieces):
            list(pieces)
        assert open_host.client.decisions(1)[0].caller == caller

    async def ask() -> None:
        async with (
            AsyncNodeClient(file, caller="a.ipynb") as client,
            client.chat([], model="m") as (_, pieces),
        ):
            assert [piece async for piece in pieces] == ["hi"]

    open_host.thread.run(ask(), 60)
    assert open_host.client.decisions(1)[0].caller == "notebook:a.ipynb"
    heads = b"".join(call.head.lower() for call in open_host.backend.calls)
    assert heads.count(b"/chat/completions") >= 4
    assert b"caller" not in heads and b"ipynb" not in heads


def test_no_key_is_said_or_written(open_host: Host) -> None:
    made = open_host.client.add_api_key("quiet")
    key = str(made.key)
    assert open_host.caller(key) == "key:quiet"
    client = open_host.client
    said = repr([made, client.api_keys(), client.settings(), client.decisions(), client.log(1000)])
    said += httpx.get(f"{client.url}/metrics").text + httpx.get(client.base_url + "/models").text
    for path in Path(client.status().home).rglob("*"):
        if path.is_file():
            said += path.read_bytes().decode("latin-1")
    said += "".join(call.head.decode() for call in open_host.backend.calls)
    assert "quiet" in said
    assert key not in said and key.removeprefix("bago-sk-") not in said
    client.remove_api_key("quiet")


def test_a_peer_counts_under_its_name(tmp_path: Path, starter_gguf: Path) -> None:
    nodes: list[Headless] = []
    try:
        nodes.append(Headless(tmp_path / "alpha", "alpha"))
        nodes.append(Headless(tmp_path / "beta", "beta", starter_gguf))
        alpha, beta = nodes
        alpha.client.connect(str(beta.client.make_key().text))
        until(lambda: alpha.client.paired("beta").models)
        body = {**BODY, "model": "smol", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
        sent = {"x-bago-caller": "work.ipynb"}
        answer = httpx.post(alpha.client.url + CHAT, json=body, headers=sent, timeout=60)
        assert answer.status_code == 200
        assert alpha.client.why().caller == "notebook:work.ipynb"
        assert until(beta.client.decisions)[0].caller == "peer:alpha"
    finally:
        for node in nodes:
            node.close()


def test_a_header_holds_what_a_name_may_hold() -> None:
    assert header(None) == header("") == header(" \n") == {}
    assert header(" a\nb\u202e.ipynb ") == {b"x-bago-caller": b"ab.ipynb"}
    assert header("\ud800x") == {b"x-bago-caller": b"x"}
    assert header("x" * 70) == {b"x-bago-caller": b"x" * 64}


def test_only_a_kernel_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert of_this_process() is None
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/ada/work/Analysis 1.ipynb")
    assert of_this_process() == "Analysis 1.ipynb"


def own_address() -> str:
    """An address of this machine that is not loopback."""
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family == socket.AF_INET and not address.address.startswith("127."):
                return str(address.address)
    pytest.skip("this machine has no address but loopback")


def test_who_manages_a_node() -> None:
    def of(*headers: tuple[bytes, bytes], **more: Any) -> str:
        return manager({"headers": list(headers), **more})

    assert of() == of((b"x-bago-caller", b"\xff")) == "local"
    assert of((b"x-bago-caller", b"cli")) == "cli"
    assert of((b"host", b"x"), (b"x-bago-caller", b"a.ipynb")) == "notebook:a.ipynb"
    peer = SimpleNamespace(name="attic", fingerprint="fp_" + "cd" * 32)
    assert of((b"x-bago-caller", b"cli"), **{PAIRED: peer}) == "peer:" + "cd" * 16
