"""Models that are pulled, loaded, shared and deleted as a person does it in JupyterLab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from badmodel import NAMES, BadModel
from headless import Headless, until
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
            seen = lab.drive(
                "models.mjs",
                own=OWN,
                source=slow.url,
                hostile=EVIL,
                broken=str(home / "models" / "broken.gguf"),
                release=str(release),
            )
            me.join()
            ranges = list(slow.ranges)
    finally:
        there.close()
    assert "failed" not in seen, seen["failed"]
    assert seen["problems"] == []
    pulled(seen, ranges)
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
    assert (seen["faults"], seen["darkFaults"]) == ([], [])
    assert "%bago up" in seen["down"] and "smol" in seen["down"]
    hostile(seen)


def allow(there: Headless) -> Any:
    """Let whoever pairs with ``there`` load models."""
    import threading

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
