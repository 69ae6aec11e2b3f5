"""Which models of this node peers may use, kept in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from aside import set_aside

from bago_jupyter.errors import StateError
from bago_jupyter.mesh.sharing import FILE, Sharing
from bago_jupyter.state import Home


def test_a_switch_outlives_the_node(tmp_path: Path) -> None:
    sharing = Sharing(Home(tmp_path))
    assert sharing.shares("smol")
    sharing.set("smol", False)
    again = Sharing(Home(tmp_path))
    assert not again.shares("smol") and again.shares("other")
    again.set("smol", True)
    assert Sharing(Home(tmp_path)).shares("smol")


@pytest.mark.parametrize("junk", [b"", b"\x00\xff", b'["smo', b'{"smol": 1}'])
def test_a_damaged_file_shares_nothing_that_was_switched_off(tmp_path: Path, junk: bytes) -> None:
    home = Home(tmp_path)
    Sharing(home).set("smol", False)
    (tmp_path / FILE).write_bytes(junk)
    with set_aside(home, FILE):
        assert not Sharing(home).shares("smol")
    again = Sharing(Home(tmp_path))
    assert not again.shares("smol") and not again.shares("other")
    again.set("other", True)
    again = Sharing(Home(tmp_path))
    assert not again.shares("smol") and again.shares("other")
    again.set("other", False)
    assert not Sharing(Home(tmp_path)).shares("other")


def test_the_list_of_earlier_versions_is_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'["smol"]')
    sharing = Sharing(Home(tmp_path))
    assert not sharing.shares("smol") and sharing.shares("other")


def test_what_cannot_be_kept_is_not_switched(tmp_path: Path) -> None:
    sharing = Sharing(Home(tmp_path))
    (tmp_path / FILE).mkdir()
    with pytest.raises(StateError, match="Cannot write"):
        sharing.set("smol", False)
    assert sharing.shares("smol")
