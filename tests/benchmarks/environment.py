"""Others' gateways, each in an environment of its own below ``out/``: they need other versions than we do."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

from .group import BenchError, Progress
from .processes import OUT

INSTALL_SECONDS = 300


def environment(name: str, requirement: str, progress: Progress) -> tuple[Path, str]:
    """The directory of programs that has distribution ``name``, and its version; installed at first use.

    Raises :class:`BenchError` where it cannot be had.
    """
    place = OUT / name
    python = place / "bin" / "python"
    if not (place / "installed").exists():
        progress(f"installing {requirement} into its own environment (once, up to some minutes)")
        venv.create(place, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", requirement]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            raise BenchError(f"installing it took more than {INSTALL_SECONDS} s") from None
        except subprocess.CalledProcessError as error:
            last = error.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise BenchError(" ".join(["pip could not install it:", *last])) from None
        (place / "installed").touch()
    query = f"import importlib.metadata as m; print(m.version({name!r}))"
    version = subprocess.run([python, "-c", query], capture_output=True, text=True, timeout=30, check=True)
    return python.parent, version.stdout.strip()
