"""``policy`` and ``drain``: how requests are divided, and taking a node out of the division."""

from __future__ import annotations

import time

from ... import launch
from ...errors import Unavailable
from ..parse import Given
from ..session import Session
from ..show import seconds

LOOK = 0.1
"""Seconds between two looks at what is still in flight."""


def policy(session: Session, given: Given) -> None:
    """Say or change how a backend is chosen."""
    client = launch.node()
    settings = client.configure(policy=given.argument) if given.argument else client.settings()
    session.screen.line(f"Requests are divided by the policy {settings['policy']}.")


def drain(session: Session, given: Given) -> None:
    """Take no new requests, and wait for those in flight where that is wanted; or take them again."""
    client = launch.node()
    if not given.options["switch"]:
        client.drain(False)
        session.screen.line("This node takes requests again.")
        return
    left = client.drain(True).requests.in_flight
    session.screen.line(f"This node takes no new requests for its models; {left} still in flight.")
    patience = given.options.get("wait")
    began = time.monotonic()
    while patience and left:
        if time.monotonic() - began > patience:
            raise Unavailable(f"{left} requests are still in flight after {seconds(patience)}.")
        time.sleep(LOOK)
        left = client.status().requests.in_flight
    if patience:
        session.screen.line(f"Nothing is in flight any more, after {seconds(time.monotonic() - began)}.")
