"""``policy`` and ``drain``: how requests are divided, and taking a node out of the division."""

from __future__ import annotations

import time

from ... import launch
from ...errors import Unavailable
from ...settings import POLICIES
from ..parse import Given, suggest
from ..quiet import Usage
from ..session import Session
from ..show import seconds

LOOK = 0.1
"""Seconds between two looks at what is still in flight."""


def policy(session: Session, given: Given) -> None:
    """Say or change how a backend is chosen."""
    if given.argument and given.argument not in POLICIES:
        raise Usage(f"There is no policy {given.argument!r}. {suggest(given.argument, POLICIES)}")
    client = launch.node()
    settings = client.configure(policy=given.argument) if given.argument else client.settings()
    session.screen.line(f"Requests are divided by the policy {settings['policy']}.")


def drain(session: Session, given: Given) -> None:
    """Take no new requests, and wait for those in flight where that is wanted; or take them again."""
    patience = given.options.get("wait")
    if patience is not None and (patience <= 0 or not given.options["switch"]):
        raise Usage(f"--wait goes with on, and takes more than 0 seconds: {given.verb.synopsis}")
    client = launch.node()
    if not given.options["switch"]:
        client.drain(False)
        session.screen.line("This node takes requests again.")
        return
    left = client.drain(True).requests.in_flight
    session.screen.line(f"This node takes no new requests for its models; {left} still in flight.")
    began = time.monotonic()
    while patience and left:
        if time.monotonic() - began > patience:
            raise Unavailable(
                f"{left} still in flight after {seconds(patience)}; nothing new begins here until "
                "%bago drain off."
            )
        time.sleep(LOOK)
        left = client.status().requests.in_flight
    if patience:
        session.screen.line(f"Nothing is in flight any more, after {seconds(time.monotonic() - began)}.")
