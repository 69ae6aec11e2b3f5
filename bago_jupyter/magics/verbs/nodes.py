"""``nodes`` and its second words: the paired nodes."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from ... import launch
from ...errors import BagoError, Unavailable
from ...wire import NodeInfo, Resources
from ..parse import Given
from ..quiet import Usage
from ..session import Session
from ..show import age, fingerprint, seconds, size

if TYPE_CHECKING:
    from ...client import NodeClient

PATIENCE = 5.0
"""Seconds within which ``retry`` sees a node that is back."""
_COLUMNS = ("name", "fingerprint", "state", "latency", "models", "via", "address")


def nodes(session: Session, given: Given) -> None:
    """The paired nodes as a table, or one of them; or what happened to them."""
    client = launch.node()
    if given.options.get("history"):
        _history(session, client, given.argument)
        return
    if given.argument:
        show(session, given)
        return
    found = client.nodes()
    if not found:
        session.screen.line("No node is paired: %bago key here and %bago connect there, or %bago discover.")
        return
    session.screen.table(_COLUMNS, [_row(node) for node in found])


def show(session: Session, given: Given) -> None:
    """All about one node."""
    node = launch.node().paired(given.argument)
    facts: list[tuple[str, object]] = [
        ("name", node.name),
        ("fingerprint", node.fingerprint),
        ("state", _state(node)),
        ("paired by", node.via or ""),
        ("addresses", ", ".join(node.addresses)),
        ("version", node.version or ""),
        ("engines", ", ".join(node.engines or ())),
        ("accelerator", node.accelerator or ""),
        *_hardware(node.resources),
        ("latency", seconds(node.latency)),
        ("announced", f"{age(node.age)} ago" if node.age is not None else ""),
        ("models", ", ".join(f"{model.id} ({model.state})" for model in node.models)),
        ("in routing", _word(node.in_routing)),
        ("priority", node.priority),
        ("weight", f"{node.weight:g}"),
        ("max load", f"{node.max_load_percent} %"),
        ("allow control", _word(node.allow_control)),
    ]
    session.screen.table(("", ""), [fact for fact in facts if fact[1] != ""])


def ping(session: Session, given: Given) -> None:
    """Probe a node."""
    ping = launch.node().ping(given.argument)
    at = f" at {ping.address}" if ping.address else ""
    session.screen.line(f"{given.argument} answered in {ping.latency * 1000:.1f} ms{at}.")


def test(session: Session, given: Given) -> None:
    """Go the way of a request step by step, up to one token of a model; says which step fails."""
    client, line = launch.node(), session.screen.line
    node = client.paired(given.argument)
    _known_as(client, node)
    line(f"1 paired     ok, by {node.via}")
    try:
        ping = client.ping(node.fingerprint)
    except BagoError as error:
        raise Unavailable(f"Step 2, reaching {node.name}: {error.message}") from None
    line(f"2 reached    ok, {ping.latency * 1000:.1f} ms at {ping.address}")
    node = client.paired(node.fingerprint)
    chat = [model for model in node.models if "generate" in model.tasks and model.state != "failed"]
    if not chat:
        raise Unavailable(
            f"Step 3, its models: {node.name} shares none that can chat; %bago pull SOURCE --on {node.name} "
            "brings one where it allows that."
        )
    model = min(chat, key=lambda model: (model.state != "ready", model.id)).id
    line(f"3 models     ok, {len(node.models)} shared; asking {model}")
    started = time.monotonic()
    try:
        with client.chat([{"role": "user", "content": "Hi"}], model=f"{node.name}/{model}", max_tokens=1) as (
            reply,
            pieces,
        ):
            for _ in pieces:
                pass
    except BagoError as error:
        raise Unavailable(
            f"Step 4, a token of {model}: {error.message} %bago why says where it went."
        ) from None
    if reply.node != node.name:
        raise Unavailable(f"Step 4, a token of {model}: {reply.node} answered in place of {node.name}.")
    line(f"4 one token  ok, {seconds(time.monotonic() - started)}")


def retry(session: Session, given: Given) -> None:
    """Look for a node now; one that is back counts as online after a few answers in a row."""
    client = launch.node()
    end = time.monotonic() + PATIENCE
    while True:
        client.ping(given.argument)
        node = client.paired(given.argument)
        if node.state == "online" or time.monotonic() > end:
            break
        time.sleep(0.1)
    session.screen.line(f"{node.name} is {_state(node)}, at {node.addresses[0] if node.addresses else '?'}.")


def remove(session: Session, given: Given) -> None:
    """Unpair a node."""
    client = launch.node()
    node = client.paired(given.argument)
    client.remove_node(node.fingerprint)
    told = "it was told" if node.state == "online" else "it could not be told, but is no longer trusted here"
    session.screen.line(f"{node.name} ({fingerprint(node)}) is removed; {told}.")


def change(session: Session, given: Given) -> None:
    """Change how a node is used."""
    if not given.options:
        raise Usage(f"What should change? {given.verb.synopsis}")
    changes = {
        "max_load_percent" if name == "max_load" else name: value == "on" if value in ("on", "off") else value
        for name, value in given.options.items()
    }
    node = launch.node().change_node(given.argument, **changes)
    session.screen.line(
        f"{node.name}: priority {node.priority}, weight {node.weight:g}, max load {node.max_load_percent} %, "
        f"in routing {_word(node.in_routing)}, allow control {_word(node.allow_control)}."
    )


def history(client: NodeClient, node: str) -> list[NodeInfo]:
    """The nodes with their histories: all of them, or ``node``."""
    return [client.paired(name) for name in ([node] if node else [n.fingerprint for n in client.nodes()])]


def _history(session: Session, client: NodeClient, node: str) -> None:
    turns = [(turn, info.name) for info in history(client, node) for turn in info.history]
    if not turns:
        session.screen.line("Nothing has happened yet.")
        return
    turns.sort(key=lambda pair: pair[0].at)
    rows = [
        (datetime.fromtimestamp(turn.at).strftime("%Y-%m-%d %H:%M:%S"), name, turn.state, turn.reason)
        for turn, name in turns
    ]
    session.screen.table(("time", "node", "state", "reason"), rows)


def _known_as(client: NodeClient, node: NodeInfo) -> None:
    same = [other for other in client.nodes() if other.name == node.name]
    if len(same) > 1 or client.status().name == node.name:
        raise Usage(f"Several nodes are called {node.name}, so no request can name this one; rename one.")


def _row(node: NodeInfo) -> tuple[object, ...]:
    return (
        node.name,
        fingerprint(node),
        _state(node),
        seconds(node.latency) if node.state == "online" else "",
        ", ".join(model.id for model in node.models),
        node.via or "",
        node.addresses[0] if node.addresses else "",
    )


def _hardware(machine: Resources | None) -> list[tuple[str, object]]:
    """What is known of a node's machine while it is online; a GPU's memory stands beside its name."""
    if machine is None:
        return []
    gpus = [f"{gpu.name} {_part(gpu.memory_used, gpu.memory_total)}".strip() for gpu in machine.gpus or ()]
    cores = f"{machine.cores} cores" if machine.cores is not None else ""
    busy = f"{machine.cpu:.0%} busy" if machine.cpu is not None else ""
    return [
        ("CPU", ", ".join(fact for fact in (cores, busy) if fact)),
        ("memory", _part(machine.memory_used, machine.memory_total)),
        ("GPU", ", ".join(gpus)),
    ]


def _part(used: float | None, total: float | None) -> str:
    return f"{size(used)} of {size(total)}" if used is not None and total is not None else size(total)


def _state(node: NodeInfo) -> str:
    return f"{node.state} ({node.reason})" if node.reason else node.state


def _word(value: bool) -> str:
    return "on" if value else "off"
