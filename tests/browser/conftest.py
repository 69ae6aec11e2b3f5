"""A real JupyterLab and a real browser."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import pytest
from ipykernels import fetch
from lan import Lan

ROOT = Path(__file__).parents[2]
ARTEFACTS = ROOT / "tests" / "artefacts"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 60.0


def clean_environ() -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BAGO_")}


class Lab:
    """JupyterLab on a folder of its own; it and its browser are on host 1 of ``lan`` if there is one."""

    def __init__(self, root: Path, lan: Lan | None = None):
        self.root = root
        self._lan = lan
        self._prefix = ["ip", "netns", "exec", lan.namespace(1)] if lan else []
        self.token = secrets.token_hex(16)
        with self.inside(), socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        folders = (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_PATH",
            "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_SETTINGS_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
        )
        environ = {**clean_environ(), "BAGO_HOME": str(root / "home"), "JUPYTER_PLATFORM_DIRS": "1"}
        environ |= {name: str(root / name.lower()) for name in folders}
        news = (
            root
            / "jupyterlab_settings_dir"
            / "@jupyterlab"
            / "apputils-extension"
            / "notification.jupyterlab-settings"
        )
        news.parent.mkdir(parents=True)
        news.write_text('{"fetchNews": "false", "checkForUpdates": false}')
        (root / "work").mkdir()
        (root / "jupyter_data_dir").mkdir()
        self.log = (root / "lab.log").open("w")
        command = [*self._prefix, sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
        command += [f"--port={port}"]
        command += [f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={root / 'work'}"]
        self.process = subprocess.Popen(command, env=environ, stdout=self.log, stderr=self.log, cwd=root)

    def inside(self) -> contextlib.AbstractContextManager[None]:
        """Sockets that this thread opens meanwhile are on JupyterLab's host."""
        return self._lan.inside(1) if self._lan else contextlib.nullcontext()

    def _call(self, path: str, method: str = "GET") -> bytes:
        request = urllib.request.Request(f"{self.url}/api{path}?token={self.token}", method=method)
        with self.inside(), urllib.request.urlopen(request, timeout=20) as response:
            answer: bytes = response.read()
        return answer

    def end_kernels(self) -> None:
        """End every kernel, so that ``card.ipynb`` begins anew."""
        for session in json.loads(self._call("/sessions")):
            self._call(f"/sessions/{session['id']}", "DELETE")

    def wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self._call("")
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, (
                    self.root / "lab.log"
                ).read_text()
                time.sleep(0.1)

    def kernel(self, ipykernel: str) -> str:
        """The name of a kernel with that version of ipykernel and a home of its own."""
        name = f"ipykernel-{ipykernel}"
        environ = {"BAGO_HOME": str(self.root / name)}
        if ipykernel != version("ipykernel"):
            environ["PYTHONPATH"] = os.pathsep.join([str(fetch(ipykernel)), os.environ.get("PYTHONPATH", "")])
        launch = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": launch, "display_name": name, "language": "python", "env": environ}
        folder = self.root / "jupyter_path" / "kernels" / name
        folder.mkdir(parents=True, exist_ok=True)  # a walk may be done again
        (folder / "kernel.json").write_text(json.dumps(spec))
        return name

    def notebook(self, *cells: str, kernel: str = "python3") -> None:
        """Write ``card.ipynb`` with these code cells."""
        made = nbformat.v4.new_notebook()
        made.metadata.kernelspec = {"name": kernel, "display_name": kernel, "language": "python"}
        made.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(made, self.root / "work" / "card.ipynb")

    def drive(self, script: str = "lab.mjs", **plan: Any) -> dict[str, Any]:
        """Run a script of ``js/test/`` on the notebook; what it saw."""
        ARTEFACTS.mkdir(exist_ok=True)
        full = {"url": self.url, "token": self.token, "browser": browser(), "shots": str(ARTEFACTS), **plan}
        command = [*self._prefix, "node", str(ROOT / "js" / "test" / script), json.dumps(full)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=170)
        assert result.returncode == 0, result.stderr
        seen: dict[str, Any] = json.loads(result.stdout)
        return seen

    def close(self) -> None:
        self.process.terminate()  # ends its kernels too
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def browser() -> str | None:
    """The browser on this machine, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def _lab(folder: Path, lan: Lan | None = None) -> Iterator[Lab]:
    if browser() is None:
        pytest.skip(f"no browser here ({', '.join(BROWSERS)})")
    if shutil.which("node") is None:
        pytest.skip("no Node.js here")
    if not (ROOT / "js" / "node_modules" / "playwright-core").exists():
        pytest.skip("playwright-core is not installed; run npm ci in js/")
    lab = Lab(folder, lan)
    try:
        lab.wait()
        yield lab
    finally:
        lab.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    yield from _lab(tmp_path)


@pytest.fixture(scope="module")
def lan() -> Lan | None:
    """The network that :func:`module_lab` is on, for a file to give; ``None`` is this machine."""
    return None


@pytest.fixture(scope="module")
def module_lab(lan: Lan | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One for all tests of a file."""
    yield from _lab(tmp_path_factory.mktemp("lab"), lan)
