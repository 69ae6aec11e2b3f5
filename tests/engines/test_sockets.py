from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

import pytest

from bago_jupyter.engines import sockets
from bago_jupyter.engines.sockets import Sockets

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has ports only")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setattr(sockets.tempfile, "tempdir", str(folder))
    monkeypatch.setattr(sockets, "MOST", len(os.fsencode(folder)) + 40)
    return folder


def test_they_lie_in_a_folder_of_one_user(tmp_path: Path) -> None:
    home = tmp_path / "h"
    (home / "run").mkdir(parents=True, mode=0o777)
    (home / "run").chmod(0o777)
    (home / "run" / "dead.sock").touch()
    made = Sockets(home)
    first, second = made.new(), made.new()
    assert first != second and Path(first).parent == home / "run" and not os.listdir(home / "run")
    assert stat.S_IMODE((home / "run").stat().st_mode) == 0o700
    made.close()
    assert not (home / "run").exists()


def test_a_long_home_has_them_elsewhere(tmp_path: Path, elsewhere: Path) -> None:
    made = Sockets(tmp_path / ("long " * 30) / "é")
    path = made.new()
    assert Path(path).parent.parent == elsewhere and len(os.fsencode(path)) <= sockets.MOST
    assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
    made.close()
    assert not os.listdir(elsewhere)


def test_a_folder_that_somebody_else_put_there_is_not_used(tmp_path: Path, elsewhere: Path) -> None:
    home = tmp_path / "h"
    home.mkdir()
    (tmp_path / "theirs").mkdir()
    (home / "run").symlink_to(tmp_path / "theirs")
    assert Path(Sockets(home).new()).parent.parent == elsewhere


def test_without_any_place_a_port_has_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "MOST", 10)
    assert Sockets(tmp_path).new() == ""
