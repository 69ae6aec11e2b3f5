from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from engines.making import alive, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the signal is POSIX")

# PyDLL keeps the interpreter's lock during the call, as the load of a model does
HELD = """
import ctypes, sys
from bago_jupyter.engines.guard import end_with_parent
end_with_parent()
print("on", flush=True)
ctypes.PyDLL(None).sleep(600)
"""
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         start_new_session=True)
child.stdout.readline()
if sys.argv[2] == "fork" and os.fork() == 0:
    os.close(1)  # holds the pipe of the child open, like a worker of multiprocessing
    time.sleep(600)
    os._exit(0)
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_closed_stdin_ends_it_while_it_holds_the_lock() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HELD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"on\n" and process.poll() is None
        process.stdin.close()
        assert process.wait(60) != 0


def test_an_end_before_the_promise_counts() -> None:
    done = subprocess.run([sys.executable, "-c", HELD], stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 0


@pytest.mark.parametrize("how", ["plain", "fork"])
def test_a_killed_parent_takes_it_along(how: str) -> None:
    if how == "fork" and sys.platform != "linux":
        pytest.skip("only Linux tells of the parent's death")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, HELD, how], stdout=subprocess.PIPE, start_new_session=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    try:
        assert alive(pid)
        parent.kill()
        parent.wait()
        asyncio.run(until(lambda: not alive(pid)))
    finally:
        parent.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, 9)


def test_it_runs_a_module(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text("import sys; print(sys.argv[1:], __name__)")
    with subprocess.Popen(
        [sys.executable, "-m", "bago_jupyter.engines.guard", "hello", "a", "b"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env=dict(os.environ, PYTHONPATH=str(Path(__file__).parents[2])),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"['a', 'b'] __main__\n"
