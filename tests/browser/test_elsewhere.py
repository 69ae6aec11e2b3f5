"""The widgets outside a running JupyterLab: Notebook 7, marimo, nbconvert's pages, saved notebooks."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.sign import NotebookNotary

ROOT = Path(__file__).parents[2]
NAME = "attic <i>1</i>"
VIEWS = "MeshView NodesView ModelsView Playground DashboardView SettingsView"
TITLES = ["Mesh of", "Nodes", "Models of", "Playground of", "Requests since the start", "Settings of"]
APP = f"""
import marimo

app = marimo.App()


@app.cell
def _():
    import bago_jupyter as bago
    from bago_jupyter.widgets import MeshView, Playground, StatusCard

    node = bago.up(port=0, name={NAME!r})
    return MeshView, Playground, StatusCard, bago, node


@app.cell
def _(MeshView, node):
    MeshView(node)
    return


@app.cell
def _(StatusCard, node):
    StatusCard(node)
    return


@app.cell
def _(Playground, node):
    Playground(node)
    return


@app.cell
def _(bago, node):
    bago.ui(client=node)
    return
"""


@pytest.mark.skipif(find_spec("notebook") is None, reason="Notebook 7 is not installed")
def test_notebook_7(module_lab: Any) -> None:
    module_lab.notebook(
        f"%load_ext bago_jupyter\n%bago up --port 0 --name {NAME!r}\n"
        "import bago_jupyter\nfrom bago_jupyter.widgets import StatusCard\n"
        "display(StatusCard(bago_jupyter.node()))\nbago_jupyter.ui('mesh')"
    )
    lives(module_lab.drive("elsewhere.mjs", place="notebook"))


@pytest.mark.skipif(find_spec("marimo") is None, reason="marimo is not installed")
@pytest.mark.parametrize("mode", ["run", "edit"])
def test_marimo(module_lab: Any, tmp_path: Path, mode: str) -> None:
    (tmp_path / "app.py").write_text(APP)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "marimo", mode, "app.py", "--headless", "--no-token"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    folders = {f"XDG_{name}_HOME": str(tmp_path / name.lower()) for name in ("CONFIG", "STATE", "CACHE")}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=environ(tmp_path) | folders, stdout=log, stderr=log, cwd=tmp_path
        )
        try:
            wait(f"http://127.0.0.1:{port}/health", process, tmp_path / "log")
            seen = module_lab.drive(
                "elsewhere.mjs", place="marimo", mode=mode, url=f"http://127.0.0.1:{port}"
            )
        finally:
            process.terminate()
            process.wait(20)
    lives(seen)
    assert "There is no model to chat with yet" in seen["chat"]
    assert seen["tabs"] == ["Nodes", "Mesh", "Models", "Playground", "Dashboard", "Settings"]
    assert NAME in seen["settings"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A notebook with every view that nbconvert ran, and the connection key that its node had handed out."""
    folder = tmp_path_factory.mktemp("saved")
    code = ["import bago_jupyter as bago", "from bago_jupyter import widgets"]
    code += [f"node = bago.up(port=0, name={NAME!r})", "_ = open('key', 'w').write(node.make_key().text)"]
    cells = ["\n".join(code), *(f"widgets.{view}(node)" for view in VIEWS.split()), "bago.ui()"]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, folder / "plan.ipynb")
    convert(folder, "notebook", "plan.ipynb", "saved.ipynb", "--execute")
    secret = re.search(r"[?&]s=([^&]+)", (folder / "key").read_text())
    assert secret is not None
    return folder, secret[1]


def test_an_exported_page_without_a_network(module_lab: Any, saved: tuple[Path, str]) -> None:
    folder, key = saved
    convert(folder, "html", "saved.ipynb", "saved.html")
    for name in ("saved.ipynb", "saved.html"):
        text = (folder / name).read_text()
        assert "attic" in text and key not in text, f"a key in {name}"
    seen = module_lab.drive("elsewhere.mjs", place="export", url=(folder / "saved.html").as_uri())
    assert "failed" not in seen, seen["failed"]
    _, *views, together = seen["cells"]
    assert len(views) == len(TITLES)
    for shown, title in zip(views, TITLES, strict=True):
        assert title in shown and title in together
    drawn(seen["drawing"])
    assert seen["markup"] == 0


def test_what_jupyterlab_saves_is_exported_by_the_plain_command(saved: tuple[Path, str]) -> None:
    """It leaves the widgets' state out, unless its setting for that is on."""
    folder, _ = saved
    read = nbformat.read(folder / "saved.ipynb", as_version=4)
    del read.metadata["widgets"]
    nbformat.write(read, folder / "lab.ipynb")
    for to, name in (("html", "lab.html"), ("markdown", "lab.md")):
        convert(folder, to, "lab.ipynb", name)
        text = (folder / name).read_text()
        assert text.count('<img alt="Drawing of the mesh') == 2, "alone and in the tabs"
        assert "model not found" not in text
        assert "<b>Playground of attic &lt;i&gt;1&lt;/i&gt;</b>" in text


def test_a_saved_notebook_without_a_kernel(module_lab: Any, saved: tuple[Path, str]) -> None:
    read = nbformat.read(saved[0] / "saved.ipynb", as_version=4)
    read.cells = read.cells[:2]
    work = module_lab.root / "work"
    nbformat.write(read, work / "saved.ipynb")
    del read.metadata["widgets"]  # as JupyterLab saves it, unless its setting for that is on
    nbformat.write(read, work / "bare.ipynb")
    NotebookNotary(data_dir=str(module_lab.root / "jupyter_data_dir")).sign(read)
    seen = module_lab.drive("elsewhere.mjs", place="saved")
    assert "failed" not in seen, seen["failed"]
    assert seen["problems"] == [] and seen["left"] == []
    assert seen["bare"].startswith("Mesh of") and "model not found" not in seen["bare"]
    assert seen["untrusted"].startswith("Mesh of") and NAME in seen["untrusted"]
    drawn(seen["drawing"])
    for state, text, tree in (seen["fresh"], seen["over"]):
        assert state == "stale" and "last known state" in text, text
        assert not re.search(r"\blive\b", text, re.IGNORECASE), "nothing there is live"
        assert any(NAME in row for row in tree)


def test_nothing_is_fetched_from_elsewhere() -> None:
    """What the widgets are made of names no host but in examples; VS Code has to do with it as it is."""
    found = set()
    for path in (ROOT / "bago_jupyter" / "widgets").rglob("*"):
        if path.suffix in (".js", ".css", ".py"):
            text = path.read_text()
            found |= set(re.findall(r"(?:https?|wss?)://[\w.-]+\.\w+", text))
            assert not re.search(
                r"""import\s*\(?\s*["'](?:https?:)?//|@import|url\(\s*["']?(?:https?:)?//""", text
            )
    assert found <= {"http://www.w3.org", "https://manager.example.com"}


def drawn(drawing: dict[str, Any]) -> None:
    assert drawing["natural"] > 400 and drawing["width"] > 400
    assert f">{escape(NAME)}</text>" in drawing["text"]


def lives(seen: dict[str, Any]) -> None:
    assert "failed" not in seen, seen["failed"]
    # Notebook 7 itself sometimes looks for a setting of JupyterLab's that it lacks.
    assert [problem for problem in seen["problems"] if "reading 'schema'" not in problem] == []
    assert NAME in seen["card"] and "llama.cpp" in seen["card"]
    assert any(NAME in row for row in seen["tree"])
    assert seen["refreshed"] and seen["refused"] == 404 and seen["told"]


def environ(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BAGO_")}
    return kept | {"BAGO_HOME": str(folder / "home")}


def convert(folder: Path, to: str, source: str, target: str, *options: str) -> None:
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", to, source, "--output", target, *options]
    done = subprocess.run(
        command, cwd=folder, env=environ(folder), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
