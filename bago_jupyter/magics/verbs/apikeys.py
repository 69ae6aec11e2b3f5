"""``apikeys`` and its second words: the named keys of clients."""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ... import launch
from ...errors import StateError
from ..parse import Given
from ..quiet import Usage
from ..session import Session
from ..show import age

if TYPE_CHECKING:
    from ...client import NodeClient


def apikeys(session: Session, given: Given) -> None:
    """The keys by name; never themselves."""
    found = launch.node().api_keys()
    if not found:
        session.screen.line("There is no named API key; %bago apikeys add NAME makes one.")
        return
    now = time.time()
    rows = [
        (
            key.name,
            datetime.fromtimestamp(key.created).strftime("%Y-%m-%d %H:%M"),
            "not since the node started" if key.last_used is None else f"{age(now - key.last_used)} ago",
        )
        for key in found
    ]
    session.screen.table(("name", "created", "last used"), rows)


def add(session: Session, given: Given) -> None:
    """Make a key. A notebook would keep what is shown, so there it goes to a file."""
    name, path = given.argument, given.options.get("to_file")
    if path is not None:
        _write(launch.node(), name, Path(path).expanduser())
        session.screen.line(
            f"API key {name} is in {path}, readable by you alone; clients send it as api_key."
        )
        return
    if session.screen.rich:
        raise Usage(
            f"No key may stay in a notebook: %bago apikeys add {name} --to-file PATH writes it to a file, "
            f"and bago-jupyter apikeys add {name} shows it in a terminal."
        )
    session.screen.line(launch.node().add_api_key(name).key or "")
    session.screen.line(f"This is API key {name}; it is not shown again. Clients send it as api_key.")


def remove(session: Session, given: Given) -> None:
    """Make a key worth nothing."""
    launch.node().remove_api_key(given.argument)
    session.screen.line(f"API key {given.argument} is removed; it is worth nothing from now on.")


def _write(client: NodeClient, name: str, path: Path) -> None:
    try:
        # The file comes first: a key that could not be written would be one that nobody knows.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Usage(f"{path} is there already; --to-file makes a new file.") from None
    except OSError as error:
        raise Usage(f"Cannot write {path}: {error.strerror}.") from None
    made = False
    try:
        with os.fdopen(handle, "w") as file:
            key = client.add_api_key(name).key or ""
            made = True
            file.write(f"{key}\n")
    except BaseException as error:
        path.unlink(missing_ok=True)
        if made:
            client.remove_api_key(name)
        if isinstance(error, OSError):
            raise StateError(f"Cannot write {path}: {error.strerror}.") from None
        raise
