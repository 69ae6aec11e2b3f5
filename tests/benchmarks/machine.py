"""What the page says about the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

from .results import Machine

PACKAGES = ("bago-jupyter", "uvloop", "httptools", "ipykernel", "xllamacpp")


def describe() -> Machine:
    """Cores, processor, system and versions of everything that takes part."""
    versions = {name: version for name in PACKAGES if (version := _package(name))}
    for tool in ("nginx", "wrk"):
        if version := _tool(tool):
            versions[tool] = version
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        system=f"Linux {platform.release()}",
        python=platform.python_version(),
        versions=versions,
    )


def _package(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _tool(name: str) -> str | None:
    path = find_tool(name)
    if path is None:
        return None
    ran = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=10)
    words = (ran.stdout + ran.stderr).replace("/", " ").split()
    return next((word for word in words if word[0].isdigit()), None)


def find_tool(name: str) -> str | None:
    """The path of a system tool, also where Debian keeps servers outside a user's PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
