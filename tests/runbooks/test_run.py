"""``bago-jupyter run``: a notebook in a real kernel, and the quickstart among them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from headless import environ

from bago_jupyter.state import Home

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
PATIENCE = 300


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bago_jupyter", "run", *words]
    return subprocess.run(
        command, env=environ(home, port=0), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def written(folder: Path, *cells: str) -> Path:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, folder / "made.ipynb")
    return folder / "made.ipynb"


def test_the_quickstart(tmp_path: Path, starter_gguf: Path) -> None:
    text = QUICKSTART.read_text()
    local = text.replace("%bago pull smollm2", f"%bago pull {starter_gguf} --name smollm2")
    assert local != text
    (tmp_path / "quickstart.ipynb").write_text(local)
    ran = run(tmp_path, str(tmp_path / "quickstart.ipynb"), "--save-to", str(tmp_path / "executed.ipynb"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "smollm2 · on quickstart" in ran.stdout
    assert ran.stdout.rstrip().endswith("The node is down.")
    executed = nbformat.read(tmp_path / "executed.ipynb", as_version=4)
    assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")
    assert Home(tmp_path).read_node() is None


def test_a_cell_that_fails_ends_it(tmp_path: Path) -> None:
    saved = tmp_path / "executed.ipynb"
    path = written(tmp_path, "print('first')", "%load_ext bago_jupyter\n%bago nodes", "print('never ' * 2)")
    ran = run(tmp_path / "home", str(path), "--save-to", str(saved))
    assert ran.returncode == 1
    assert "first" in ran.stdout and "No node runs here" in ran.stdout
    assert "never never" not in ran.stdout and "Traceback" not in ran.stdout + ran.stderr
    assert "No node runs here" in str(nbformat.read(saved, as_version=4).cells[1].outputs)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "run needs a notebook"),
        (("nowhere.ipynb",), "There is no notebook nowhere.ipynb"),
        ((str(QUICKSTART.with_name("..")),), "is not a notebook"),
        ((__file__,), "is not a notebook"),
        ((str(QUICKSTART), "--save"), "run needs a notebook"),
    ],
)
def test_what_cannot_be_run_is_one_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    ran = run(tmp_path, *words)
    assert ran.returncode == 1 and said in ran.stderr and len(ran.stderr.splitlines()) == 1
