"""``discover``, ``key``, ``keys`` and ``connect``: how two nodes come together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ... import launch
from ...errors import BagoError, NotFound
from ...wire import KeyInfo, NodeInfo
from ..parse import Given
from ..quiet import Usage
from ..secret import ask
from ..session import Session
from ..show import age, fingerprint, holds, left

if TYPE_CHECKING:
    from ...client import NodeClient

PATIENCE = 1.5
"""Seconds that the first look waits for somebody to announce itself."""
CALM = 0.3
"""Seconds without a newcomer after which the list counts as complete."""
_INSTEAD = "In a terminal: bago-jupyter connect KEY, or - and the key on stdin."
_COLUMNS = ("name", "fingerprint", "address", "version", "engines", "models", "accelerator", "age", "paired")


def discover(session: Session, given: Given) -> None:
    """The nodes that announce themselves."""
    client = launch.node()
    found = look_around(client)
    session.known.found(found)
    if not found:
        session.screen.line(_nobody(client))
        return
    session.screen.table(_COLUMNS, [_row(node) for node in found])


def look_around(client: NodeClient) -> list[NodeInfo]:
    """The discovered nodes; the first call begins to listen, and gives them a moment to answer."""
    found = client.discovered()
    if found:
        return found
    end = time.monotonic() + PATIENCE
    calm = end
    while time.monotonic() < min(end, calm):
        time.sleep(0.05)
        before, found = len(found), client.discovered()
        if len(found) != before:
            calm = time.monotonic() + CALM
    return found


def key(session: Session, given: Given) -> None:
    """Make a connection key and show it, or revoke one."""
    client = launch.node()
    options = dict(given.options)
    if id := options.pop("revoke", None):
        if options:
            raise Usage("--revoke stands alone: %bago key --revoke ID")
        revoked = client.revoke_key(id)
        used = f"; {_user(client, revoked)} paired with it before and stays" if revoked.used_by else ""
        session.screen.line(f"Key {id} is revoked{used}.")
        return
    made = client.make_key(**options)
    if session.screen.rich:
        from ...widgets import KeyCard

        session.screen.show(KeyCard(client, made))
        return
    session.screen.line(made.text or "")
    if holds(made.qr_text or ""):  # else it would be question marks
        print(made.qr_text)
    session.screen.line(
        f"Key {made.id} of {made.name} works once and expires in {left(made.expires)}. On the other node: "
        "%bago connect (or bago-jupyter connect -), then paste it."
    )


def keys(session: Session, given: Given) -> None:
    """The connection keys that were given out."""
    client = launch.node()
    found = client.keys()
    if not found:
        session.screen.line("No connection key was given out; %bago key makes one.")
        return
    rows = [
        (
            key.id,
            key.state,
            key.name,
            left(key.expires) if key.state == "open" else "",
            _user(client, key) if key.used_by else "",
            ", ".join(key.addresses),
        )
        for key in found
    ]
    session.screen.table(("key", "state", "name", "expires in", "used by", "addresses"), rows)


def connect(session: Session, given: Given) -> None:
    """Pair by a key, or ask a discovered node's owner."""
    client = launch.node()
    wanted = given.options.get("request")
    if wanted and given.argument:
        raise Usage("Give a key or --request NODE, not both.")
    if wanted:
        _request(session, client, wanted)
        return
    text = given.argument
    if text in ("", "-"):
        text = ask(session, "Connection key: ", _INSTEAD)
    node = client.connect(text)
    session.screen.line(f"Paired with {node.name} ({fingerprint(node)}).")
    session.screen.line(arrival(client, node.fingerprint))


def arrival(client: NodeClient, node: str) -> str:
    """A sentence about a node that was paired just now, once it is online."""
    end = time.monotonic() + PATIENCE
    info = client.paired(node)
    while (info.state != "online" or not info.models) and time.monotonic() < end:
        time.sleep(0.05)
        info = client.paired(node)
    if info.state != "online":
        why = f": {info.reason}" if info.reason else ""
        return f"It is {info.state}{why}; %bago nodes retry {info.name} looks again."
    models = ", ".join(f"{info.name}/{model.id}" for model in info.models[:5])
    return f"It is online and shares {models}." if models else "It is online and shares no model yet."


def _request(session: Session, client: NodeClient, wanted: str) -> None:
    session.known.found(look_around(client))
    try:
        asked = client.request(wanted)
    except NotFound as error:
        raise NotFound(f"{error.message} %bago discover lists those that announce themselves.") from None
    own = client.status().name
    session.screen.line(f"Asked {asked.name}. The match code is {asked.code}.")
    session.screen.line(f"1. There, %bago requests must show the same code; then: %bago approve {own}")
    session.screen.line(f"2. Then here: %bago confirm {asked.name}")


def _nobody(client: NodeClient) -> str:
    settings = client.settings()
    if not settings.get("discovery"):
        return "Discovery is off on this node; %bago discovery on switches it on."
    lines = [
        "Listening; nobody announces itself yet. For another node to appear here,",
        "  it must announce itself: %bago advertise on --name NAME, there;",
        "  it must be in the same subnet, and UDP port 5353 must be open in both firewalls.",
        "Over a VPN or another subnet, a key works: %bago key there, %bago connect here.",
    ]
    if not settings.get("advertise"):
        lines.append("This node does not announce itself either: %bago advertise on --name NAME.")
    return "\n".join(lines)


def _row(node: NodeInfo) -> tuple[object, ...]:
    return (
        node.name,
        fingerprint(node),
        node.addresses[0] if node.addresses else "",
        node.version or "",
        ", ".join(node.engines or ()),
        "" if node.model_count is None else node.model_count,
        node.accelerator or "",
        age(node.age),
        "yes" if node.paired else "no",
    )


def _user(client: NodeClient, key: KeyInfo) -> str:
    try:
        return client.paired(key.used_by or "").name
    except BagoError:  # removed since
        return (key.used_by or "").removeprefix("fp_")[:8]
