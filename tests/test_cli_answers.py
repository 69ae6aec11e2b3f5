"""What the command line prints: of every answer of the table, and in every encoding."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from headless import Headless, environ
from shapes.fronted import fronted
from shapes.server import ShapeServer
from shapes.shape import Shape
from shapes.table import TABLE

from bago_jupyter import launch
from bago_jupyter.cli import main
from bago_jupyter.magics.show import clean

NAME = "Gerät 北-😀"
ENCODINGS = ("cp932", "cp1252", "ascii", "utf-8", "utf-16")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headless]:
    """A node with a connection to a server of the table; this process's command line is of its home."""
    home = tmp_path_factory.mktemp("answers") / "home"
    with (
        ShapeServer(TABLE) as server,
        fronted(server, home, NAME) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("BAGO_HOME", str(made.home))
        patch.setattr(launch, "caller", None)
        launch.down()
        try:
            yield made
        finally:
            launch.down()


@pytest.mark.parametrize("shape", TABLE.values(), ids=TABLE)
def test_an_answer_is_printed_and_what_is_none_is_one_sentence(
    node: Headless, shape: Shape, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["chat", "-m", shape.name, "hi"])
    out, err = capsys.readouterr()
    text = clean(shape.text) + ("" if not shape.text or shape.text.endswith("\n") else "\n")
    if shape.answers:
        assert (status, err) == (0, "")
        assert out.startswith(text + shape.name + " · ") and out.count("\n") == text.count("\n") + 1
    else:
        assert (status, out) == (1, text)
        assert err.startswith("bago: ") and err.count("\n") == 1 and len(err) > 10


def printed(*words: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    """Status, output and errors of a command whose output has that encoding."""
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
    with monkeypatch.context() as patch:
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        status = main(words)
    told = []
    for stream in streams.values():
        stream.flush()
        told.append(stream.buffer.getvalue().decode(encoding))  # type: ignore[attr-defined]
    return status, told[0], told[1]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_everything_can_be_printed_in_any_encoding(
    node: Headless, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (
        ["status"],
        ["models"],
        ["topology"],
        ["help"],
        ["key", "--name", NAME],
        ["stats"],
        ["log"],
        ["chat", "-m", "cut-every-three-bytes", "Grüße 北京"],
        ["why"],
    ):
        status, out, err = printed(*words, encoding=encoding, monkeypatch=monkeypatch)
        assert (status, err) == (0, ""), words
        assert out.strip()
    status, out, err = printed("chat", "-m", "北京", "hi", encoding=encoding, monkeypatch=monkeypatch)
    assert (status, out) == (1, "") and err.startswith("bago: ")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_is_never_replaced(node: Headless, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, _ = printed("status", "--json", encoding=encoding, monkeypatch=monkeypatch)
    assert status == 0 and json.loads(out)["name"] == NAME


def test_a_key_is_drawn_only_where_its_squares_can_be_printed(
    node: Headless, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, plain, _ = printed("key", encoding="ascii", monkeypatch=monkeypatch)
    _, drawn, _ = printed("key", encoding="utf-8", monkeypatch=monkeypatch)
    assert len(plain.splitlines()) == 2 and len(drawn.splitlines()) > 10


@pytest.mark.parametrize(
    "words", [["chat", "-m", "plain", "caf\udce9"], ["chat", "-m", "caf\udce9", "hi"], ["why", "caf\udce9"]]
)
def test_arguments_that_are_no_text_are_one_sentence(
    node: Headless, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_process_of_its_own(node: Headless) -> None:
    for encoding in ("cp932", "ascii"):
        command = [sys.executable, "-m", "bago_jupyter", "chat", "-m", "cut-at-every-byte", "hi"]
        told = environ(node.home) | {"PYTHONIOENCODING": encoding}
        done = subprocess.run(command, env=told, capture_output=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"cut-at-every-byte" in done.stdout and b"?" in done.stdout.decode(encoding).encode()
    done = node.cli("status", BAGO_OTHER_TOOL="1", BAGO_SLOTZ="3")
    assert done.returncode == 0 and NAME in done.stdout
    assert len(done.stderr.splitlines()) == 2 and "BAGO_OTHER_TOOL is no setting" in done.stderr
