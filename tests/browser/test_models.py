"""Models that are pulled, loaded, shared and deleted as a person does it in JupyterLab."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from badmodel import NAMES, BadModel
from headless import Headless, environ, until
from slowfile import SlowFile

OWN = "attic <i>1</i>"
EVIL = '<img src=x onerror="window.pwned=9">' + "\u202eturned" + "x" * 10_000


def test_models_in_jupyterlab(lab: Any, starter_gguf: Path, tmp_path: Path) -> None:
    release, home = tmp_path / "release", lab.root / "home"
    there = Headless(tmp_path / "there", "there", starter_gguf)
    try:
        with SlowFile(starter_gguf) as slow, BadModel() as bad:
            key = there.client.make_key().text
            (home / "models").mkdir(parents=True)
            lab.notebook(
                "from bago_jupyter import launch\nfrom bago_jupyter.widgets import ModelsView\n"
                f"node = launch.up(port=0, name={OWN!r}, context_length=512)\n"
                f"_ = node.connect({key!r})\n"
                f"_ = node.add_connection('cloud', url={bad.url!r}, force=True)\n"
                "ModelsView(node)",
                f"import os, time\nwhile not os.path.exists({str(release)!r}): time.sleep(0.05)",
                "launch.down()",
            )
            me = allow(there)
            begin = tmp_path / "begin"
            foreign = Foreign(begin, home, slow.url)
            seen = lab.drive(
                "models.mjs",
                own=OWN,
                source=slow.url,
                hostile=EVIL,
                broken=str(home / "models" / "broken.gguf"),
                release=str(release),
                begin=str(begin),
            )
            begin.touch()
            me.join()
            foreign.join()
            ranges = list(slow.ranges)
    finally:
        there.close()
    assert "failed" not in seen, seen["failed"]
    assert seen["problems"] == []
    pulled(seen, ranges)
    for part in (
        "slow.gguf into attic <i>1</i>, begun by the command line",
        "running",
        " of 98.4 MB",
        "Cancel",
    ):
        assert part in seen["foreign"], part
    assert foreign.done is not None and foreign.done.returncode == 1
    assert "The pull was cancelled; what arrived is kept" in foreign.done.stderr
    assert seen["groups"] == [OWN, "there", "cloud"]
    assert (seen["sharedFirst"], seen["sharedLast"]) == (True, False)
    for part in (
        OWN,
        "this node",
        "peer · online",
        "connection",
        "smol",
        "ready",
        "broken.gguf is truncated",
    ):
        assert part in seen["text"]
    assert "*" in seen["promptWhileServed"], "the clicks were served only after the cell"
    assert seen["question"].startswith("Delete tiny (98.4 MB) from the disk?") and seen["stillThere"] == 1
    assert (seen["faults"], seen["foreignFaults"], seen["darkFaults"]) == ([], [], [])
    assert "%bago up" in seen["down"] and "smol" in seen["down"]
    hostile(seen)


class Foreign(threading.Thread):
    """Pulls by the command line, once ``begin`` is there."""

    def __init__(self, begin: Path, home: Path, source: str):
        super().__init__()
        self.begin, self.home, self.source = begin, home, source
        self.done: subprocess.CompletedProcess[str] | None = None
        self.start()

    def run(self) -> None:
        until(self.begin.exists, 160)
        command = [sys.executable, "-m", "bago_jupyter", "pull", self.source, "--name", "theirs"]
        self.done = subprocess.run(
            command, env=environ(self.home), capture_output=True, text=True, timeout=60, check=False
        )


def allow(there: Headless) -> Any:
    """Let whoever pairs with ``there`` load models."""

    def work() -> None:
        peer = until(there.client.nodes, 120)[0]
        there.client.change_node(peer.fingerprint, allow_control=True)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def pulled(seen: Any, ranges: list[str | None]) -> None:
    for part in ("Pull http://127.0.0.1:", "downloading", " of 98.4 MB", " %", "running"):
        assert part in seen["pulling"]
    assert "cancelled" in seen["cancelled"] and "What arrived is kept" in seen["cancelled"]
    assert ranges[0] is None and ranges[1] is not None, "the second try must ask for the rest only"
    for part in ("gguf", "llama", "Q4_1", "135 M parameters", "98.4 MB", "8\u2009192 context", "available"):
        assert part in seen["pulled"], part


def hostile(seen: Any) -> None:
    assert EVIL.replace("\u202e", "\ufffd") in seen["refused"] and "failed" in seen["refused"]
    assert seen["pwned"] is None and seen["images"] == 0 and seen["elsewhere"] == []
    for name in NAMES:
        assert name in seen["text"]
