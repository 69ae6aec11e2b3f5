"""What the groups with a real browser stand on."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .group import BenchError
from .processes import ROOT

TESTS = ROOT / "tests"
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))  # the JupyterLab of the tests

from browser.conftest import BROWSERS, Lab, browser  # noqa: E402

__all__ = ["JS", "Lab", "find_browser", "jupyterlab"]

JS = ROOT / "js"


def find_browser() -> str:
    """The browser's path. Raises :class:`BenchError` where none can be driven."""
    path = browser()
    if path is None:
        raise BenchError(f"no browser here ({', '.join(BROWSERS)})")
    if shutil.which("node") is None:
        raise BenchError("no Node.js here")
    if not (JS / "node_modules" / "playwright-core").exists():
        raise BenchError("playwright-core is not installed; run npm ci in js/")
    return path


@contextlib.contextmanager
def jupyterlab() -> Iterator[Lab]:
    """A JupyterLab of its own, ended with its kernels."""
    find_browser()
    with tempfile.TemporaryDirectory(prefix="bago-bench-", ignore_cleanup_errors=True) as folder:
        lab = Lab(Path(folder))
        try:
            lab.wait()
            yield lab
        finally:
            lab.close()
