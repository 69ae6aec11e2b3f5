"""What an open Mesh costs its kernel, and how soon it shows what happens, in a real JupyterLab."""

from __future__ import annotations

from .browsing import jupyterlab
from .group import BenchError, Progress
from .processes import child, free_port, python
from .results import Cell, Table, aim, figure

SLICES = 2
SECONDS = 15.0
"""Of each slice; a view is read anew every 5 s, so three times in each."""
ROUNDS = 15
MODELS = 50
CPU = 1.0
"""Percent of a core that an idle open Mesh may cost."""
PIXEL = 250.0
"""Milliseconds from a request to something that moves: a frame of the pump, and what is taken for at once."""


def tables(
    progress: Progress, slices: int = SLICES, seconds: float = SECONDS, rounds: int = ROUNDS
) -> tuple[list[Table], list[list[Cell]]]:
    """The latency of a request to its pixels, the CPU time of the idle kernel, and their aims."""
    mock, port = free_port(), free_port()
    names = ["mock", *(f"model-{at:02}" for at in range(1, MODELS))]
    with child("mock", python("mock", mock), ready_port=mock), jupyterlab() as lab:
        lab.notebook(
            f"import os\nfrom bago_jupyter import launch\nnode = launch.up(port={port}, name='desk')\n"
            f"url, models = 'http://127.0.0.1:{mock}/v1', {names!r}\n"
            "_ = node.add_connection('mock', url=url, models=models, force=True)\n"
            "print('pid', os.getpid())",
            "from bago_jupyter.widgets import MeshView\nMeshView(node)",
        )
        seen = lab.drive(
            "mesh-live.mjs",
            node=f"http://127.0.0.1:{port}",
            model="mock",
            slices=slices,
            seconds=seconds,
            rounds=rounds,
        )
    if "failed" in seen or seen["problems"]:
        raise BenchError(f"the Mesh failed: {seen.get('failed') or seen['problems'][0]}")

    closed, opened = figure(seen["without"], 2), figure(seen["with"], 2)
    cost = figure((with_ - without for with_, without in zip(seen["with"], seen["without"], strict=True)), 2)
    shown = figure(seen["shown"])
    progress(f"CPU of the kernel, %: {closed} without, {opened} with an open Mesh")
    progress(f"a request to its pixels, ms: {shown}")
    latency = Table(
        caption="A request until it is seen",
        columns=["ms from sending it", "median (range)"],
        rows=[
            ["the page is told", figure(seen["told"])],
            ["first particle or light drawn", figure(seen["drawn"])],
            ["that frame handed to the compositor", shown],
        ],
    )
    idle = Table(
        caption="An idle kernel with a node, notebook open",
        columns=["", "% of a core"],
        rows=[["without a Mesh", closed], ["with an open Mesh", opened], ["added", cost]],
    )
    aims = [
        aim("a request to its pixels, ms", shown, PIXEL),
        aim("idle open Mesh, % of a core", cost, CPU),
    ]
    return [latency, idle], aims
