"""The state directory: whole files, for their owner only; one lock."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import filelock
import pytest
from aside import set_aside

from bago_jupyter import logs
from bago_jupyter.errors import StateError
from bago_jupyter.identity import Identity
from bago_jupyter.state import Home
from bago_jupyter.statistics.store import Store
from bago_jupyter.wire import NodeFile

NODE = NodeFile(
    pid=7,
    host="127.0.0.1",
    port=1,
    started_at=0,
    place="thread",
    version="0",
    fingerprint="fp_",
    admin_token="t",
)


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    path = home.write("secret", b"x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    assert [entry.name for entry in home.root.iterdir()] == ["secret"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_they_are_so_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        home = Home(tmp_path / "above" / "home")
        home.write("secret", b"x")
        home.write("settings.toml", b"x = 1\n", sealed=False)
        with home.lock():
            pass
        logs.attach(home.log, "info")()
        store = Store(home.root / "stats.db")
        store.write({})
        store.close()
    finally:
        os.umask(before)
    for path in (home.root, home.root.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in home.root.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert home.read("secret") == b"x"
    assert (home.root / "settings.toml").read_bytes() == b"x = 1\n"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o702])
def test_a_home_that_others_can_write_is_refused_with_what_mends_it(tmp_path: Path, mode: int) -> None:
    root = tmp_path / "home"
    root.mkdir()
    root.chmod(mode)
    with pytest.raises(StateError, match=f"chmod 700 {root}$") as caught:
        Home(root)
    subprocess.run(caught.value.message.rpartition(": ")[2].split(), check=True)
    Home(root)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_home_of_somebody_else_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "home"
    root.mkdir(mode=0o700)
    os.chown(root, 4711, -1)
    with pytest.raises(StateError, match=f"belongs to another user.*chown {os.geteuid()} {root}$"):
        Home(root)


def test_a_checksum_is_believed_and_nothing_else(tmp_path: Path) -> None:
    home = Home(tmp_path)
    data = b"some\n# sha256 line\n"
    home.write("state", data)
    written = (tmp_path / "state").read_bytes()
    assert home.read("state") == data
    for place in range(len(data)):
        (tmp_path / "state").write_bytes(written[:place] + b"~" + written[place + 1 :])
        with pytest.raises(StateError, match="checksum"):
            home.read("state")
    (tmp_path / "state").write_bytes(b"of an earlier version")
    assert home.read("state") == b"of an earlier version"


def test_node_file_round_trip_and_forgetting(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.read_node() is None
    home.write_node(NODE)
    assert home.read_node() == NODE
    home.forget_node(8)
    assert home.read_node() == NODE
    home.forget_node(7)
    assert home.read_node() is None
    (tmp_path / "node.json").write_text("{half")
    assert home.read_node() is None


def test_the_lock_is_held_by_one_process_and_ends_with_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    code = (
        "import sys; from pathlib import Path; from bago_jupyter.state import Home\n"
        f"lock = Home(Path({str(tmp_path)!r})).lock(); lock.acquire()\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(filelock.Timeout):
            home.lock().acquire(blocking=False)
        other.kill()
        other.wait()
    home.lock().acquire(timeout=30).lock.release()


def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="Cannot make the state directory"):
        Home(tmp_path / "file" / "home")


def test_an_identity_is_made_once_and_a_damaged_one_set_aside(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = Identity.open(home)
    assert first == Identity.open(home)
    assert first.fingerprint.startswith("fp_")
    assert len(first.fingerprint) == 67
    assert "PRIVATE" not in repr(first)
    (tmp_path / "identity").write_bytes(b"rubbish")
    with set_aside(home, "identity"):
        other = Identity.open(home)
    assert other.fingerprint != first.fingerprint
    assert other == Identity.open(home)


def test_an_identity_without_its_own_key_is_none(tmp_path: Path) -> None:
    one, other = Home(tmp_path / "one"), Home(tmp_path / "other")
    certificate = Identity.open(one).pem.partition(b"-----BEGIN PRIVATE")[0]
    key = Identity.open(other).pem.partition(b"-----BEGIN PRIVATE")
    (one.root / "identity").write_bytes(certificate + key[1] + key[2])
    with set_aside(one, "identity"):
        Identity.open(one)


def test_a_folder_for_all_users_is_no_home_and_is_left_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(StateError, match="name another one, such as") as caught:
        Home(tmp_path)
    assert "chmod" not in caught.value.message and stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_a_pipe_or_a_device_in_a_home_is_not_read(tmp_path: Path) -> None:
    home = Home(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "endless"):
        with pytest.raises(StateError, match=f"Cannot read .*{name}: it is a pipe or a device"):
            home.read(name)
