"""What a command says where its output cannot be written, and when it is interrupted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from headless import environ

from bago_jupyter import cli
from bago_jupyter.cli import main

PATIENCE = 120.0


def shell(command: str, home: Path) -> tuple[int, str]:
    """Status and errors of a command line in which ``bago`` is the program."""
    line = command.replace("bago", f"{sys.executable} -m bago_jupyter")
    done = subprocess.run(
        ["sh", "-c", line], env=environ(home), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("words", ["help", "--version", "help chat"])
def test_a_full_disk_is_one_sentence(tmp_path: Path, words: str) -> None:
    assert shell(f"bago {words} >/dev/full", tmp_path) == (
        1,
        "bago: Cannot write the output: No space left on device.\n",
    )


@pytest.mark.parametrize("words", ["help", "chat hi", "status"])
def test_an_output_that_is_closed_is_one_sentence(tmp_path: Path, words: str) -> None:
    assert shell(f"bago {words} >&-", tmp_path) == (
        1,
        "bago: Cannot write the output: Bad file descriptor.\n",
    )


def test_an_interrupt_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(words: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_verb", interrupted)
    assert main(["status"]) == 130
    assert capsys.readouterr().err == "bago: interrupted\n"
