"""``advertise``, ``discovery``, ``external``, ``team`` and ``share``: settings that change live."""

from __future__ import annotations

import secrets

from ... import launch
from ..advice import advised
from ..parse import Given
from ..quiet import Usage
from ..secret import ask, from_environ
from ..session import Session

_KEYLESS = "%bago external on --api-key-env VAR takes one from the environment."
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def advertise(session: Session, given: Given) -> None:
    """Announce this node, or stop."""
    on, client = given.options["switch"], launch.node()
    name = given.options.get("name") or client.settings()["name"]
    if on and not name:
        raise Usage("Others need a name to see: %bago advertise on --name NAME")
    # The name is kept with it: a node may have it from its start only, and none advertises without one.
    settings = client.configure(advertise=on, **({"name": name} if name else {}))
    session.screen.line(
        f"This node announces itself as {settings['name']}."
        if on
        else "This node no longer announces itself; paired nodes still reach it."
    )


def discovery(session: Session, given: Given) -> None:
    """Listen for other nodes, or stop."""
    on = given.options["switch"]
    launch.node().configure(discovery=on)
    session.screen.line("Discovery is on." if on else "Discovery is off; paired nodes are still reached.")


def external(session: Session, given: Given) -> None:
    """Let plain HTTP clients of other machines use ``/v1``, or no longer."""
    on = given.options["switch"]
    changes = {"external": on}
    if variable := given.options.get("api_key_env"):
        changes["api_key"] = from_environ(variable, "--api-key-env")
    client = launch.node()
    with advised(lambda error: _KEYLESS if error.param == "external" else None):
        client.configure(**changes)
    port = client.status().port
    session.screen.line(
        f"Clients of other machines may use http://<this machine>:{port}/v1 with the API key. "
        "It is plain HTTP: the key and the texts can be read on the way."
        if on
        else "Only this machine, and paired nodes, may use /v1."
    )


def team(session: Session, given: Given) -> None:
    """Join or leave a team, suggest a key, or say whether there is one."""
    options = given.options
    if len(options) > 1:
        raise Usage(f"One of these at a time: {given.verb.synopsis}")
    if options.get("suggest"):
        _suggest(session)
        return
    client = launch.node()
    if options.get("leave"):
        client.configure(cluster_key=None)
        session.screen.line("This node left the team, and the nodes that it brought are removed.")
        return
    if not options:
        has = client.settings().get("cluster_key")
        session.screen.line(
            "There is a team key; nodes with the same one join on sight."
            if has
            else "No team key: %bago team --key-env VAR or --ask."
        )
        return
    if variable := options.get("key_env"):
        key = from_environ(variable, "--key-env")
    else:
        key = ask(session, "Team key: ", "%bago team --key-env VAR takes it from the environment.")
    client.configure(cluster_key=key)
    session.screen.line(
        "The team key is set; nodes with the same one join on sight, while one of the two advertises. "
        "It is kept until this node stops: BAGO_CLUSTER_KEY sets it for good."
    )


def share(session: Session, given: Given) -> None:
    """Let paired nodes use a model, or not."""
    on = given.options["switch"]
    launch.node().share(given.argument, on)
    session.screen.line(f"Paired nodes {'may' if on else 'may not'} use {given.argument}.")


def _suggest(session: Session) -> None:
    if session.screen.rich:
        raise Usage("A team key must not stay in a notebook; run bago-jupyter team --suggest in a terminal.")
    session.screen.line(suggest_team_key())


def suggest_team_key() -> str:
    """A good team key: 20 letters in groups, 99 random bits."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(20))
    return "-".join(letters[at : at + 5] for at in range(0, 20, 5))
