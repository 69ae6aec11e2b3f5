"""The command line between two real nodes on this host."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance.models import make_caller
from headless import Headless, until

from bago_jupyter.errors import SettingsError

Pair = tuple[Headless, Headless]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, starter_gguf: Path) -> Iterator[Pair]:
    """Two nodes: alpha has no model of its own, beta has the starter."""
    root = tmp_path_factory.mktemp("cli")
    nodes: list[Headless] = []
    try:
        nodes.append(Headless(root / "alpha", "alpha"))
        nodes.append(Headless(root / "beta", "beta", starter_gguf))
        yield nodes[0], nodes[1]
    finally:
        for node in nodes:
            node.close()


@pytest.fixture
def strangers(pair: Pair) -> Pair:
    alpha, beta = pair
    for node in alpha.client.nodes():
        alpha.client.remove_node(node.fingerprint)
    until(lambda: not beta.client.nodes())
    return pair


@pytest.fixture
def friends(strangers: Pair) -> Pair:
    alpha, beta = strangers
    key = beta.client.make_key().text
    assert key is not None
    assert "Paired with beta" in alpha.must("connect", "-", stdin=key + "\n")
    until(lambda: alpha.client.nodes()[0].models and beta.client.nodes()[0].state == "online")
    return strangers


def lists(text: str) -> Any:
    return json.loads(text)


def sees(node: Headless, other: Headless) -> Any:
    """The other among the nodes that announce themselves; on this network may be more of them."""
    fingerprint = other.client.status().fingerprint
    return next((seen for seen in node.client.discovered() if seen.fingerprint == fingerprint), None)


def test_a_key_is_made_used_listed_and_revoked(strangers: Pair) -> None:
    alpha, beta = strangers
    shown = beta.must("key", "--ttl", "600", "--name", "Beta of Bern").splitlines()
    assert shown[0].startswith("bago://")
    assert any("▀" in line or "█" in line or "▄" in line for line in shown[1:])
    assert "works once and expires in" in shown[-1]
    (key,) = [key for key in lists(beta.must("keys", "--json")) if key["state"] == "open"]
    assert key["name"] == "Beta of Bern"
    assert shown[0] not in beta.must("keys") + beta.must("log", "-n", "500")
    answer = alpha.must("connect", shown[0])
    assert "Paired with beta" in answer and "beta/smol" in answer
    assert f"{key['id']}  used" in beta.must("keys")
    alpha.must("nodes", "remove", "beta")
    until(lambda: not beta.client.nodes())
    again = alpha.cli("connect", "-", stdin=shown[0])
    assert again.returncode == 1 and "used already" in again.stderr
    assert shown[0] not in again.stderr + again.stdout

    other = beta.must("key").splitlines()[0]
    (id,) = [key["id"] for key in lists(beta.must("keys", "--json")) if key["state"] == "open"]
    assert beta.must("key", "--revoke", id).strip() == f"Key {id} is revoked."
    assert "revoked" in alpha.cli("connect", other).stderr
    assert "no address on an interface 'nope0'" in beta.cli("key", "--interface", "nope0").stderr
    assert "--revoke stands alone" in beta.cli("key", "--revoke", id, "--ttl", "5").stderr
    assert "Nothing was typed" in alpha.cli("connect").stderr


def test_nodes_that_see_each_other_connect_by_request(strangers: Pair) -> None:
    alpha, beta = strangers
    assert "announces itself as beta" in beta.must("advertise", "on")
    try:
        until(lambda: (seen := sees(alpha, beta)) and seen.model_count == 1)
        fingerprint = beta.client.status().fingerprint
        listed = lists(alpha.must("discover", "--json"))
        (seen,) = [node for node in listed if node["fingerprint"] == fingerprint]
        assert (seen["name"], seen["paired"]) == ("beta", False)
        head, *rows = alpha.must("discover").splitlines()
        assert " ".join(head.split()) == (
            "name fingerprint address version engines models accelerator age paired"
        )
        assert ["beta", fingerprint[3:11]] in [row.split()[:2] for row in rows]
        asked = alpha.must("connect", "--request", fingerprint[3:])
        (request,) = lists(beta.must("requests", "--json"))
        assert request["code"] in asked and request["code"] in beta.must("requests")
        assert "%bago approve alpha" in asked
        early = alpha.cli("confirm", "beta")
        assert early.returncode == 1 and "has not approved" in early.stderr
        assert request["code"] in beta.must("approve", "alpha")
        until(lambda: alpha.client.requests()[0].state == "approved")
        assert "%bago confirm" in alpha.must("requests")
        assert "Paired with beta" in alpha.must("confirm", "beta")
        assert sees(alpha, beta).paired is True
        assert "that announce themselves" in alpha.cli("connect", "--request", "gamma").stderr
    finally:
        beta.must("advertise", "off")
    until(lambda: not sees(alpha, beta))
    until(lambda: "UDP port 5353" in alpha.must("discover"))  # as soon as nobody else announces itself


def test_a_request_is_refused_or_withdrawn(strangers: Pair) -> None:
    alpha, beta = strangers
    beta.must("advertise", "on")
    try:
        until(lambda: sees(alpha, beta))
        alpha.must("connect", "--request", beta.client.status().fingerprint[3:])
        assert "is refused" in beta.must("refuse", "alpha")
        until(lambda: alpha.client.requests()[0].state == "refused")
        assert "withdrawn" in alpha.must("cancel", "beta")
        assert "No requests" in alpha.must("requests")
        assert not alpha.client.nodes()
    finally:
        beta.must("advertise", "off")


def test_paired_nodes_are_shown_tested_changed_and_removed(friends: Pair) -> None:
    alpha, beta = friends
    head, row = alpha.must("nodes").splitlines()
    assert " ".join(head.split()) == "name fingerprint state latency models via address"
    assert row.split()[0] == "beta" and "online" in row and "smol" in row and "key" in row
    assert "smol" in alpha.must("models") and "beta" in alpha.must("models")
    assert [(m["id"], m["nodes"]) for m in lists(alpha.must("models", "--json"))] == [("smol", ["beta"])]
    tested = alpha.must("nodes", "test", "beta").splitlines()
    assert [line.split()[0] for line in tested] == ["1", "2", "3", "4"]
    assert "ms at" in alpha.must("nodes", "ping", "beta")
    assert lists(alpha.must("nodes", "ping", "beta", "--json"))["latency"] > 0
    changed = alpha.must(
        "nodes", "set", "beta", "--priority", "-3", "--in-routing", "off", "--max-load", "50"
    )
    assert "priority -3, weight 1, max load 50 %, in routing off" in changed
    shown = alpha.must("nodes", "show", "beta")
    assert "in routing     off" in shown and " cores" in shown and re.search(r"memory +\d.* of \d.*B", shown)
    off = alpha.cli("nodes", "test", "beta")
    assert off.returncode == 1 and "Step 4" in off.stderr
    alpha.must("nodes", "set", "beta", "--in-routing", "on")
    assert "What should change?" in alpha.cli("nodes", "set", "beta").stderr
    assert "Did you mean show?" in alpha.cli("nodes", "shwo", "beta").stderr
    assert "no paired node 'gamma'" in alpha.cli("nodes", "gamma").stderr

    assert "is removed; it was told" in alpha.must("nodes", "remove", "beta")
    until(lambda: not beta.client.nodes())
    assert "No node is paired" in alpha.must("nodes")


def test_models_of_a_peer_are_controlled_where_it_allows(friends: Pair) -> None:
    alpha, beta = friends
    refused = alpha.cli("load", "smol", "--on", "beta")
    assert refused.returncode == 1 and "beta does not let its peers" in refused.stderr
    assert "nodes set alpha --allow-control on" in refused.stderr
    beta.must("nodes", "set", "alpha", "--allow-control", "on")
    assert "smol is loaded on beta" in alpha.must("load", "smol", "--on", "beta")
    assert [runner.model for runner in beta.client.status().runners] == ["smol"]
    assert "smol is unloaded on beta" in alpha.must("unload", "smol", "--on", "beta")
    assert not beta.client.status().runners
    assert "may not use smol" in beta.must("share", "smol", "off")
    try:
        until(lambda: not alpha.client.nodes()[0].models)
        assert "Step 3, its models: beta shares none" in alpha.cli("nodes", "test", "beta").stderr
    finally:
        beta.must("share", "smol", "on")
    until(lambda: alpha.client.nodes()[0].models)


def test_history_and_test_say_what_happened_to_a_node_that_died(
    pair: Pair, tmp_path: Path, starter_gguf: Path
) -> None:
    alpha, _ = pair
    gamma = Headless(tmp_path / "gamma", "gamma", starter_gguf)
    try:
        key = gamma.client.make_key().text
        assert key is not None
        alpha.client.connect(key)
        until(lambda: alpha.client.paired("gamma").state == "online")
        gamma.process.kill()
        until(lambda: alpha.client.paired("gamma").state == "offline")
        rows = alpha.must("nodes", "--history", "gamma").splitlines()
        states = [row.split()[3] for row in rows[1:]]
        assert (states[0], states[-1]) == ("online", "offline")
        turns = lists(alpha.must("nodes", "--history", "--json"))
        (turns,) = [node["history"] for node in turns if node["name"] == "gamma"]
        assert turns[-1]["reason"] in rows[-1]
        failed = alpha.cli("nodes", "test", "gamma")
        assert "1 paired     ok" in failed.stdout
        assert failed.returncode == 1 and "Step 2, reaching gamma" in failed.stderr
        assert alpha.cli("nodes", "retry", "gamma").returncode == 1
        assert "could not be told" in alpha.must("nodes", "remove", "gamma")
    finally:
        gamma.close()


def test_settings_change_live_and_no_secret_is_on_a_line(pair: Pair) -> None:
    alpha, _ = pair
    assert len(alpha.must("team", "--suggest").strip()) == 23
    assert "No team key" in alpha.must("team")
    secret = "correct horse battery"
    assert secret not in alpha.must("team", "--key-env", "TEAM", TEAM=secret)
    assert alpha.client.settings()["cluster_key"] is True
    assert "is set" in alpha.must("team", "--ask", stdin=secret)
    assert "left the team" in alpha.must("team", "--leave")
    assert alpha.client.settings()["cluster_key"] is False
    assert "UNSET is not set" in alpha.cli("team", "--key-env", "UNSET").stderr
    alpha.must("discovery", "off")
    assert "%bago discovery on" in alpha.must("discover")
    alpha.must("discovery", "on")
    keyless = alpha.cli("external", "on").stderr
    assert "needs an API key" in keyless and "%bago external on --api-key-env" in keyless
    assert secret not in alpha.must("external", "on", "--api-key-env", "KEY", KEY=secret)
    alpha.must("status")  # what is kept must not forbid the next process its start
    alpha.must("external", "off")
    for words in (("advertise",), ("advertise", "maybe"), ("share", "smol")):
        assert "ends with on or off" in alpha.cli(*words).stderr
    told = "".join(path.read_text() for path in alpha.home.iterdir() if path.suffix in (".toml", ".log"))
    assert told and secret not in told


def test_a_chat_without_a_model_finds_one_of_another_node(friends: Pair) -> None:
    alpha, _ = friends
    said = alpha.must("chat", "--max-tokens", "2", "Hi")
    assert "smol · on beta" in said
    alpha.must("nodes", "set", "beta", "--in-routing", "off")
    assert "There is no model yet" in alpha.cli("chat", "Hi").stderr


def test_a_name_that_changes_is_the_name_of_what_answers(strangers: Pair) -> None:
    _, beta = strangers
    assert "announces itself as Beta 2" in beta.must("advertise", "on", "--name", "Beta 2")
    try:
        assert "Beta 2/smol · on Beta 2" in beta.must("chat", "-m", "Beta 2/smol", "--max-tokens", "2", "Hi")
        assert "Beta 2" in beta.must("topology") + beta.must("models")
    finally:
        beta.must("advertise", "on", "--name", "beta")
        beta.must("advertise", "off")


def test_settings_that_cannot_be_kept_are_not_used(pair: Pair) -> None:
    alpha, _ = pair
    with pytest.raises(SettingsError, match="another home"):
        alpha.client.configure(home="/tmp/elsewhere")
    before = alpha.client.settings()
    kept = alpha.home / "settings.toml"
    aside = alpha.home / "aside"
    if kept.exists():
        kept.rename(aside)
    kept.mkdir()
    try:
        with pytest.raises(SettingsError, match="Cannot read"):
            alpha.client.configure(policy="fastest")
    finally:
        kept.rmdir()
        if aside.exists():
            aside.rename(kept)
    assert alpha.client.settings() == before


def test_a_key_in_the_arguments_of_serve_is_refused(pair: Pair) -> None:
    for option in ("--api-key", "--cluster-key"):
        refused = pair[0].cli("serve", option, "hush-hush")
        assert refused.returncode == 1
        assert "BAGO_" + option[2:].replace("-", "_").upper() in refused.stderr
        assert "hush-hush" not in refused.stderr


def test_api_keys_are_shown_once_or_written_to_a_file(pair: Pair, tmp_path: Path) -> None:
    alpha, _ = pair
    key, told = alpha.must("apikeys", "add", "laptop").splitlines()
    assert key.startswith("bago-sk-") and "not shown again" in told
    path = tmp_path / "key"
    assert "bago-sk-" not in alpha.must("apikeys", "add", "Ada's phone", "--to-file", str(path))
    assert path.stat().st_mode & 0o777 == 0o600 and path.read_text().startswith("bago-sk-")
    listed = alpha.must("apikeys", "--json")
    assert [(entry["name"], entry["last_used"], entry["key"]) for entry in lists(listed)] == [
        ("Ada's phone", None, None),
        ("laptop", None, None),
    ]
    assert "laptop" in alpha.must("apikeys")
    for name in ("laptop", "Ada's phone"):
        assert "is removed" in alpha.must("apikeys", "remove", name)
    assert alpha.cli("apikeys", "remove", "laptop").returncode == 1
    written = "".join(file.read_text("latin-1") for file in alpha.home.rglob("*") if file.is_file())
    assert key not in written + listed and path.read_text().strip() not in written + listed


def test_routes_and_the_caller_of_the_command_line(pair: Pair) -> None:
    alpha, _ = pair
    said = alpha.must("route", "set", "code", "Ada's laptop/phi", "else", "phi-3")
    assert "code leads to Ada's laptop/phi, else phi-3." in said and "Nobody offers" in said
    assert lists(alpha.must("route", "--json")) == [
        {"name": "code", "targets": (both := ["Ada's laptop/phi", "phi-3"]), "missing": both}
    ]
    assert "route 'code'" in alpha.cli("chat", "-m", "code", "Hi").stderr
    assert alpha.client.why().caller == "cli"
    assert "is removed" in alpha.must("route", "remove", "code")
    assert "no route" in alpha.must("route")


def test_weights_of_one_name_are_told_apart_or_joined(friends: Pair, starter_gguf: Path) -> None:
    alpha, _ = friends
    models = alpha.home / "models"
    models.mkdir(exist_ok=True)
    make_caller(starter_gguf, models / "smol.gguf")
    try:
        until(lambda: [model.digest for model in alpha.client.models() if model.digest])
        until(lambda: alpha.client.nodes()[0].models[0].other)
        shown = alpha.must("models")
        (line,) = [line for line in shown.splitlines() if "another model" in line]
        (digits,) = re.findall("--join smol ([0-9a-f]{12})", line)
        assert "beta/smol" in line
        assert "one model" in alpha.must("models", "--join", "smol", digits)
        assert "another model" not in alpha.must("models")
        assert "told apart" in alpha.must("models", "--join", "smol")
        assert "another model" in alpha.must("models")
        wrong = alpha.cli("models", "--join", "smol", "0123456789ab")
        assert wrong.returncode == 1 and "names no weights of smol" in wrong.stderr
        assert "follow --join" in alpha.cli("models", digits).stderr
    finally:
        alpha.client.remove("smol")
