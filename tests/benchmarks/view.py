"""The Mesh in a browser: how it runs, what it weighs, how soon it shows, what it costs."""

from __future__ import annotations

from . import drawing, watching, weighing
from .group import Group, Progress
from .results import Table, aims


def measure(progress: Progress) -> list[Table]:
    """Frames, bundles, and a real JupyterLab."""
    drawn, of_drawn = drawing.tables(progress)
    weight, of_weight = weighing.tables()
    watched, of_watched = watching.tables(progress)
    return [drawn, weight, *watched, aims([*of_drawn, *of_weight, *of_watched])]


METHOD = f"""\
Debian's Chromium, headless, without a GPU, so that the CPU draws too. Frames are counted on a bare page
of 1,200 by 800 pixels with the widget's bundle and a kernel that is played, every group opened, while
streams begin and end with every frame; {drawing.SECONDS} s of each, in a fresh browser each time. Then
a real JupyterLab: its kernel's node has one connection, to a server that computes nothing and is said to
have {watching.MODELS} models. A request to its pixels counts from just before another process
sends the request to the node, over the node's event, the pump, the kernel's websocket and JupyterLab's
comm, until the page drew the first particle or light of it and the frame was handed to the compositor;
nothing moved in the picture before, all on one machine's clock. The kernel's CPU time is that of
its process and its children, node included, in slices of {watching.SECONDS:.0f} s in which nobody asks
anything: the notebook is open, first without a Mesh, then with one on show."""

GROUP = Group(
    name="view",
    title="The Mesh in a browser",
    method=METHOD,
    bound=240,
    measure=measure,
)
