"""``route`` and its second words: names that lead to a chain of models."""

from __future__ import annotations

from ... import launch
from ...wire import RouteInfo
from ..parse import Given
from ..session import Session

ELSE = "else"
"""A word between two targets that only makes the line read well."""


def route(session: Session, given: Given) -> None:
    """The routes as a table."""
    found = launch.node().routes()
    if not found:
        session.screen.line("There is no route; %bago route set NAME MODEL [else MODEL ...] makes one.")
        return
    rows = [(route.name, _chain(route), ", ".join(route.missing)) for route in found]
    session.screen.table(("route", "leads to", "not there now"), rows)


def change(session: Session, given: Given) -> None:
    """Make or replace a route."""
    targets = [word for word in given.options["more"] if word != ELSE]
    route = launch.node().set_route(given.argument, targets)
    session.screen.line(f"{route.name} leads to {_chain(route)}.")
    if route.missing:
        session.screen.line(
            f"Nobody offers {' or '.join(route.missing)} at present; requests pass over what is not there."
        )


def remove(session: Session, given: Given) -> None:
    """Forget a route."""
    launch.node().remove_route(given.argument)
    session.screen.line(f"Route {given.argument} is removed.")


def _chain(route: RouteInfo) -> str:
    return ", else ".join(route.targets)
