"""How fast the Mesh is drawn: frames per second on a page with a kernel that is played."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from .browsing import JS, find_browser
from .group import BenchError, Progress
from .results import Cell, Table, aim, figure

RUNS = 2
SECONDS = 4
"""Of each look at each size."""
LOOKS = {"still": "the picture stands still", "zooming": "zoomed all the while"}
FRAMES = 59
"""Frames per second, of the 60 that the screen shows: one may be late."""


def tables(progress: Progress, runs: int = RUNS, seconds: float = SECONDS) -> tuple[Table, list[list[Cell]]]:
    """What ``js/test/mesh-bench.mjs`` sees, in ``runs`` fresh browsers for each size, and the aims."""
    plan = json.dumps({"browser": find_browser(), "seconds": seconds})
    found: list[dict[str, Any]] = []
    for number in range(1, runs + 1):
        ran = subprocess.run(
            ["node", str(JS / "test" / "mesh-bench.mjs"), plan], capture_output=True, text=True, timeout=100
        )
        if ran.returncode:
            raise BenchError(f"the Mesh was not drawn: {ran.stderr.strip()[-400:]}")
        seen = json.loads(ran.stdout)
        found.append(seen)
        for nodes, size in seen.items():
            if size["problems"]:
                raise BenchError(f"the Mesh failed: {size['problems'][0]}")
            shown = ", ".join(f"{look} {size[look]['fps']} frames/s" for look in LOOKS)
            progress(f"round {number}/{runs}, {nodes} nodes, {shown}")

    rows: list[list[Cell]] = []
    aims: list[list[Cell]] = []
    for nodes in found[0]:
        sizes = [seen[nodes] for seen in found]
        for look, words in LOOKS.items():
            frames = figure(size[look]["fps"] for size in sizes)
            rows.append(
                [
                    f"{sizes[0]['items']:,} nodes, {words}",
                    frames,
                    figure((size[look]["p95"] for size in sizes), 1),
                    figure(size[look]["particles"] for size in sizes),
                ]
            )
            aims.append(aim(f"{int(nodes):,} nodes, {words}: frames/s", frames, FRAMES, at_most=False))
    columns = ["", "frames/s", "slowest 5 % of frames from, ms", "particles at most"]
    return Table(caption="The Mesh with particles", columns=columns, rows=rows), aims
