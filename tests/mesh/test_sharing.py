"""Which models of this node peers may use, kept in a file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from aside import set_aside

from bago_jupyter.errors import StateError
from bago_jupyter.mesh.link import MAX_NEWS
from bago_jupyter.mesh.sharing import FEW, FILE, MOST_BYTES, Sharing, entry_of
from bago_jupyter.mesh.wire import MOST_ENTRIES
from bago_jupyter.router import Offer
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


def offer(model: str, state: Literal["ready", "available"] = "available") -> Offer:
    return Offer(backend="local", node="here", model=model, tasks=frozenset({"generate"}), state=state)


def test_peers_are_told_of_as_many_models_as_they_take(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sharing = Sharing(Home(tmp_path))
    many = [offer(f"m{number:05}") for number in range(MOST_ENTRIES + 10)]
    many.append(offer("z", "ready"))
    with caplog.at_level(logging.WARNING, "bago.mesh"):
        told = sharing.told(many)
        assert [entry.model for entry in told] == ["z", *(o.model for o in many[: MOST_ENTRIES - 1])]
        assert sharing.told(many) == told
        (said,) = [record.message for record in caplog.records]
        assert said.startswith("4107 models are shared, and peers are told of the first 4096 only")
        assert len(sharing.told(many[:5])) == 5
        sharing.told(many)
        assert len(caplog.records) == 2


def test_a_catalogue_fits_into_the_line_that_a_peer_waits_for(tmp_path: Path) -> None:
    many = [offer(f"{number:04}" + "\U0001d504" * 508) for number in range(MOST_ENTRIES)]
    told = Sharing(Home(tmp_path)).told(many)
    assert FEW < len(told) < MOST_ENTRIES and len(msgspec.json.encode(told)) < MAX_NEWS - (1 << 19)
    longest = msgspec.structs.replace(many[0], digest="d" * 512, quantization="q" * 128)
    assert len(msgspec.json.encode(entry_of(longest))) * FEW < MOST_BYTES
