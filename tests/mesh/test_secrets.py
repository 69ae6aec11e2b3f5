"""After everything that two nodes can do with each other: where their secrets lie, and where not."""

from __future__ import annotations

import contextlib
import json
import stat
import subprocess
from pathlib import Path

from lan import Lan
from mesh.hosts import Node, Nodes, both_online, identity_of, mesh, plain, token_of, until

from bago_jupyter.errors import BagoError
from bago_jupyter.trust.connection_key import ConnectionKey

TEAM = "correct horse battery staple"
API_KEY = "sk-0123456789abcdef"


def test_nothing_secret_is_written_or_said(lan: Lan, start: Nodes, starter_gguf: Path) -> None:
    common = {"advertise": True, "log_level": "debug"}
    ada = start(1, "ada", cluster_key=TEAM, **common)
    bob = start(2, "bob", cluster_key=TEAM, external=True, api_key=API_KEY, model=starter_gguf, **common)
    cyd = start(3, "cyd", **common)
    eve = start(4, "eve", cluster_key=TEAM + "?", **common)
    secrets = {TEAM, API_KEY}
    said: list[str] = []

    both_online(ada, bob)
    keys = [bob.client.make_key() for _ in range(3)]
    for key in keys:
        secrets |= {str(key.text), ConnectionKey.parse(str(key.text)).secret.reveal()}
        said.append(repr(key))
    bob.client.revoke_key(keys[1].id)
    said.append(repr(cyd.client.connect(str(keys[0].text))))
    both_online(cyd, bob)
    for key in keys:
        for text in (str(key.text), str(key.text)[:-4]):
            with contextlib.suppress(BagoError):
                said.append(repr(eve.client.connect(text)))
    until(lambda: ada.sees(cyd) and cyd.sees(ada))
    asked = cyd.client.request("ada")
    until(lambda: ada.client.requests())
    ada.client.decide(cyd.fingerprint[3:], "approve")
    until(lambda: any(r.state == "approved" for r in cyd.client.requests()))
    cyd.client.decide("ada", "confirm")
    both_online(cyd, ada)
    said.append(repr(asked))

    answer = ada.chat(model="bob/smol")
    assert answer.status_code == 200
    said.append(str(answer.headers))
    for path in ("/v1/models", "/api/v1/status"):
        tried = (API_KEY, "wrong", bob.file.admin_token)
        said += [plain(lan, 4, bob, path, authorization=f"Bearer {key}").text for key in tried]
    for identity, token in ((None, token_of(ada, bob)), (identity_of(ada), token_of(cyd, bob))):
        said.append(str(mesh(lan, 1, bob, "GET", "/mesh/v1/hello", identity=identity, token=token)))
    everyone = [ada, bob, cyd, eve]
    for node in everyone:
        secrets |= _tokens(node) | {node.file.admin_token, *_private(node)}
        client = node.client
        things = (client, client.nodes(), client.discovered(), client.keys(), client.requests())
        said += [repr(thing) for thing in things]
        said += [repr(client.settings()), repr(client.status()), repr(client.decisions())]
        said += client.log(1000)
        said.append(node.http.get("/metrics").text + node.http.get("/").text)
    cyd.client.configure(cluster_key=TEAM, api_key=API_KEY)
    both_online(cyd, bob)
    bob.client.remove_node("cyd")
    until(lambda: not cyd.paired(bob))
    eve.process.kill()
    cyd.client.configure(cluster_key=None)
    for node in everyone:
        with contextlib.suppress(OSError, ValueError):
            secrets |= _tokens(node)
        said.append(_command_line(node))
        node.close()
        # The first line on stdout says how to reach the node to whoever started it.
        said += [line for _, line in node.process.lines] + node.process.errors

    _look("what was shown", "\n".join(said), secrets)
    for node in everyone:
        for path in sorted(node.home.root.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            private = stat.S_IMODE(path.stat().st_mode) == 0o600
            text = path.read_bytes().decode("latin-1")
            if (
                not private
                or path.name in ("settings.toml", "sharing.json", "library.json", "team")
                or "log" in path.name
            ):
                _look(str(path), text, secrets)
            _look(str(path), text, {TEAM, str(keys[0].text)})
        assert stat.S_IMODE(node.home.root.stat().st_mode) == 0o700


def _look(where: str, text: str, secrets: set[str]) -> None:
    assert len(secrets) >= 2 and all(len(secret) > 12 for secret in secrets)
    for secret in secrets:
        assert secret not in text, f"{where} holds {secret[:4]}..."


def _tokens(node: Node) -> set[str]:
    kept = node.home.read("peers.json")
    return {peer["token"] for peer in json.loads(kept)["peers"]} if kept else set()


def _private(node: Node) -> set[str]:
    """Lines of the private key."""
    lines = identity_of(node).path.read_text().partition("-----END PRIVATE KEY")[0].splitlines()
    return {line for line in lines if len(line) > 20 and "-----" not in line}


def _command_line(node: Node) -> str:
    """What every user of the machine sees of the process."""
    return subprocess.run(
        ["ps", "-o", "args", "-p", str(node.process.pid)], capture_output=True, text=True, check=False
    ).stdout
