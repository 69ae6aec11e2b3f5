"""``mesh`` and its second words: connections to servers beyond the mesh."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ... import launch
from ...errors import BagoError, TrialFailed
from ...wire import ConnectionInfo, Hop
from ..advice import advised
from ..parse import Given
from ..quiet import Usage
from ..secret import ask, from_environ
from ..session import Session
from ..show import seconds
from ..verb import SWITCH

_COLUMNS = ("name", "type", "health", "latency", "models", "in routing")
_SHOWN = 3
"""Models named in a row of a table."""
_INSTEAD = "--key-env VAR takes it from the environment."
_ADVICE = {
    ("mesh add", "secret"): "--key-env VAR or --ask gives a key.",
    ("mesh add", "access_key"): "--access-key KEY gives the one, --key-env VAR or --ask the other.",
    ("mesh add", "models"): "--models A,B names models.",
    ("mesh update", "secret"): "--key-env VAR or --ask gives a key, --no-key forgets it.",
    ("mesh select-models", "models"): "%bago mesh models NAME shows its models.",
}
"""By verb and by what a node's error is about."""
_NONE = "There is no connection yet: %bago mesh add NAME URL, or --type anthropic NAME for a cloud."


def mesh(session: Session, given: Given) -> None:
    """This node, the paired ones and the connections."""
    session.screen.table(_COLUMNS, [tuple(row.values()) for row in rows()])


def rows() -> list[dict[str, Any]]:
    """The table of ``mesh``, for people and for ``--json``."""
    client = launch.node()
    here = client.status()
    own = [model.id for model in client.models() if model.state != "failed"]
    found = [_line(here.name, "local", "healthy", None, own, True)]
    states = {"online": "healthy", "offline": "unhealthy"}
    for node in client.nodes():
        theirs = [model.id for model in node.models]
        found.append(
            _line(node.name, "peer", states.get(node.state, "unknown"), node.latency, theirs, node.in_routing)
        )
    return found + [_of(entry) for entry in client.connections()]


def listed(session: Session, given: Given) -> None:
    """The connections."""
    found = launch.node().connections()
    if not found:
        session.screen.line(_NONE)
        return
    columns = (*_COLUMNS, "url", "reason")
    session.screen.table(columns, [(*_of(entry).values(), entry.url, _reason(entry)) for entry in found])


def add(session: Session, given: Given) -> None:
    """Test and keep a connection."""
    options = _options(session, given)
    urls = options.pop("more", [])
    if len(urls) > 1:
        raise Usage(f"One URL for one connection: {given.verb.synopsis}")
    if names := options.pop("models", None):
        options["models"] = [name.strip() for name in names.split(",") if name.strip()]
    cluster = options.get("type") == "backend_ai_cluster" and "access_key" in options
    if cluster and not {"secret", "key_env"} & options.keys():
        options["secret"] = ask(session, "Secret key: ", _INSTEAD)
    with advised(_advice(given)):
        info = launch.node().add_connection(given.argument, url=urls[0] if urls else "", **options)
    _tell_hops(session, info)
    _tell_key(session, info)
    session.screen.line(f"{info.name} is added. {_models_sentence(info)}")


def show(session: Session, given: Given) -> None:
    """All about one connection."""
    info = launch.node().connection(given.argument)
    facts: list[tuple[str, object]] = [
        ("name", info.name),
        ("type", info.type),
        ("url", info.url),
        ("health", f"{info.health} ({info.reason})" if info.reason else info.health),
        ("latest error", info.error or ""),
        ("latency", seconds(info.latency)),
        ("key", info.key),
        ("speaks", ", ".join(info.native or ())),
        ("translated", ", ".join(sorted(set(info.dialects or ()) - set(info.native or ())))),
        ("models", f"{len(info.models)} of {info.listed}: {', '.join(info.models[:20])}"),
        ("switched", _word(info.enabled)),
        ("in routing", _word(info.in_routing)),
        ("priority", info.priority),
        ("weight", f"{info.weight:g}"),
        ("slots", f"{info.slots} ({info.slots_from})"),
        ("shared", _word(info.share)),
        ("domain", info.domain or ""),
        ("version", info.version or ""),
    ]
    session.screen.table(("", ""), [fact for fact in facts if fact[1] != ""])
    if info.history:
        session.screen.table(
            ("time", "health", "reason"),
            [
                (datetime.fromtimestamp(turn.at).strftime("%Y-%m-%d %H:%M:%S"), turn.state, turn.reason)
                for turn in info.history
            ],
        )


def update(session: Session, given: Given) -> None:
    """Change a connection."""
    if "no_key" in given.options and {"ask", "key_env"} & given.options.keys():
        raise Usage("Give a key or --no-key, not both.")
    options = _options(session, given)
    if options.pop("no_key", False):
        options["secret"] = options["key_env"] = None
    if not options:
        raise Usage(f"What should change? {given.verb.synopsis}")
    with advised(_advice(given)):
        info = launch.node().change_connection(given.argument, **options)
    if {"secret", "key_env"} & options.keys():
        _tell_key(session, info)
    session.screen.line(
        f"{info.name}: {info.url}, key {info.key}, in routing {_word(info.in_routing)}, "
        f"priority {info.priority}, weight {info.weight:g}, slots {info.slots} ({info.slots_from}), "
        f"shared {_word(info.share)}."
    )


def remove(session: Session, given: Given) -> None:
    """Forget a connection."""
    launch.node().remove_connection(given.argument)
    session.screen.line(f"{given.argument} is removed, and its key forgotten.")


def toggle(session: Session, given: Given) -> None:
    """Switch a connection on or off."""
    words = given.options.get("more", [])
    if len(words) > 1 or any(word not in SWITCH for word in words):
        raise Usage(f"on or off: {given.verb.synopsis}")
    info = launch.node().toggle_connection(given.argument, words[0] == "on" if words else None)
    session.screen.line(f"{info.name} is switched {_word(info.enabled)}.")


def health(session: Session, given: Given) -> None:
    """Test one connection hop by hop, or all."""
    client = launch.node()
    if given.argument:
        info = client.check_connection(given.argument)
        _tell_hops(session, info)
        session.screen.line(f"{info.name} is {info.health}: {info.reason}.")
        if any(hop.lacks == "secret" for hop in info.hops):
            session.screen.line(f"%bago mesh update {info.name} --ask gives it another key.")
        return
    found = client.check_connections()
    if not found:
        session.screen.line(_NONE)
        return
    session.screen.table(
        ("name", "health", "latency", "test"),
        [(info.name, info.health, seconds(info.latency), _verdict(info.hops)) for info in found],
    )


def models(session: Session, given: Given) -> None:
    """The models that a connection lists."""
    found = launch.node().connection_models(given.argument)
    if not found:
        session.screen.line(f"{given.argument} lists no models; %bago mesh health {given.argument} says why.")
        return
    session.screen.table(
        ("model", "selected", "context"),
        [(model.id, "yes" if model.selected else "no", model.context_length or "") for model in found],
    )


def select(session: Session, given: Given) -> None:
    """Use only some models of a connection."""
    names, everything = given.options.get("more", []), given.options.get("all", False)
    if bool(names) == everything:
        raise Usage(f"Name the models, or --all: {given.verb.synopsis}")
    with advised(_advice(given)):
        found = launch.node().select_models(given.argument, None if everything else names)
    count = sum(model.selected for model in found)
    session.screen.line(f"{given.argument}: {count} of {len(found)} models are used.")


def _advice(given: Given) -> Callable[[BagoError], str]:
    def advice(error: BagoError) -> str:
        more = _ADVICE.get((given.verb.name, error.param or ""), "").replace("NAME", given.argument)
        return f"{more} --force does it anyway.".strip() if isinstance(error, TrialFailed) else more

    return advice


def _options(session: Session, given: Given) -> dict[str, Any]:
    options = {
        name: value == "on" if name in ("in_routing", "share") else value
        for name, value in given.options.items()
    }
    variable, asked = options.get("key_env"), options.pop("ask", False)
    if asked and variable:
        raise Usage("Give --key-env or --ask, not both.")
    if asked:
        options["secret"] = ask(session, "Key: ", _INSTEAD)
    elif variable and os.environ.get(variable):
        # The node may run in a process that does not have the variable; it is told the value as well.
        options["secret"] = from_environ(variable, "--key-env")
    return options


def _tell_hops(session: Session, info: ConnectionInfo) -> None:
    rows = [(hop.name, "ok" if hop.ok else "no", seconds(hop.seconds), hop.said) for hop in info.hops]
    session.screen.table(("hop", "", "took", ""), rows)


def _tell_key(session: Session, info: ConnectionInfo) -> None:
    """Where the key went that was given, or comes from."""
    kept = {
        "keyring": "kept in the system's keyring",
        "file": "kept in secrets.json of the node's home, which only its owner can read",
    }.get(info.key)
    if kept is not None and info.key_env:
        kept += f": {info.key_env} is not set where the node runs"
    elif info.key.startswith("environment "):
        variable = info.key.removeprefix("environment ")
        kept = f"read from {variable} where the node runs, and kept nowhere else"
    if kept is not None:
        session.screen.line(f"Its key is {kept}.")


def _verdict(hops: list[Hop]) -> str:
    failed = next((hop for hop in hops if not hop.ok), None)
    return "ok" if failed is None else f"{failed.name}: no. {failed.said}"


def _models_sentence(info: ConnectionInfo) -> str:
    if not info.models:
        return f"It offers no model yet: {info.error or info.reason}."
    few = ", ".join(f"{info.name}/{model}" for model in info.models[:_SHOWN])
    more = f" and {len(info.models) - _SHOWN} more" if len(info.models) > _SHOWN else ""
    return f"Its models: {few}{more}."


def _of(entry: ConnectionInfo) -> dict[str, Any]:
    return _line(entry.name, entry.type, entry.health, entry.latency, entry.models, entry.in_routing)


def _line(
    name: str, kind: str, health: str, latency: float | None, models: list[str], in_routing: bool
) -> dict[str, Any]:
    few = ", ".join(models[:_SHOWN]) + (f" and {len(models) - _SHOWN} more" if len(models) > _SHOWN else "")
    return {
        "name": name,
        "type": kind,
        "health": health,
        "latency": seconds(latency),
        "models": few,
        "in_routing": _word(in_routing),
    }


def _reason(entry: ConnectionInfo) -> str:
    return "" if entry.health == "healthy" else entry.error or entry.reason or ""


def _word(value: bool) -> str:
    return "on" if value else "off"
