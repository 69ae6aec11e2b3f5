"""What a node does with a state file that it cannot believe: it says so in a sentence, and keeps it."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator

from bago_jupyter.state import Home


@contextlib.contextmanager
def set_aside(home: Home, name: str) -> Iterator[None]:
    """Within it, file ``name`` of ``home`` is set aside whole, for its owner alone, and that is said once."""
    content = (home.root / name).read_bytes()
    said: list[str] = []
    home.notice = said.append
    yield
    aside = home.root / f"{name}.damaged"
    assert aside.read_bytes() == content
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert len(said) == 1 and f"{home.root / name} was damaged and is kept as {aside.name}; " in said[0]
