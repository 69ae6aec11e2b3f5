"""Views in JupyterLab while a cell blocks, over a restart and in two tabs, on several ipykernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ipykernels import VERSIONS

UP = """
import ipykernel, os, time
from bago_jupyter import launch
from bago_jupyter.widgets import NodesView, StatusCard
node = launch.up(port=0, name="attic")
print("ipykernel", ipykernel.__version__)
StatusCard(node)
"""
SLEEPS = """
begun = time.monotonic()
while time.monotonic() < begun + 20 or (not os.path.exists({release!r}) and time.monotonic() < begun + 120):
    time.sleep(0.05)
"""
COMPUTES = """
begun = time.monotonic()
while not os.path.exists({release!r}) and time.monotonic() < begun + 120:
    for _ in range(1_000_000):
        pass
"""


@pytest.fixture(scope="module", params=VERSIONS)
def seen(
    request: pytest.FixtureRequest, module_lab: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """One walk through the notebook on one version of ipykernel."""
    scratch: Path = tmp_path_factory.mktemp("busy")
    kernel = module_lab.kernel(request.param)
    released = [str(scratch / name) for name in ("slept", "computed", "shared")]
    blocks = [
        SLEEPS.format(release=released[0]),
        COMPUTES.format(release=released[1]),
        COMPUTES.format(release=str(scratch / "never")),
        COMPUTES.format(release=released[2]),
    ]
    module_lab.notebook(UP, "NodesView(node)", *blocks, kernel=kernel)
    subshells = not request.param.startswith("6.")
    found: dict[str, Any] = module_lab.drive(
        "busy.mjs", version=request.param, subshells=subshells, released=released
    )
    module_lab.end_kernels()
    assert "failed" not in found, found["failed"]
    found |= {"version": request.param, "subshells": subshells}
    return found


def test_the_kernel_is_of_that_version(seen: Any) -> None:
    assert f"ipykernel {seen['version']}" in seen["said"].splitlines()
    assert seen["problems"] == []


@pytest.mark.parametrize("cell", ["sleeps", "computes"])
def test_a_view_stays_live_while_a_cell_blocks(seen: Any, cell: str) -> None:
    before, after = seen[cell]["counts"]
    assert before != after
    assert "*" in seen[cell]["promptAtCounts"]


@pytest.mark.parametrize("cell", ["sleeps", "computes"])
def test_clicks_are_served_while_a_cell_blocks_where_the_kernel_can(seen: Any, cell: str) -> None:
    walk = seen[cell]
    assert walk["key"].startswith("bago://")
    if seen["subshells"]:
        assert "*" in walk["promptAtKey"]
    else:
        assert "The kernel is busy" in walk["sentence"] and "*" in walk["promptAtSentence"]
        assert "busy" not in walk["sentenceAfter"]
    assert walk["openKeys"] == 0, "one click, one key"


def test_a_view_whose_kernel_was_restarted_says_so(seen: Any) -> None:
    restarted = seen["restarted"]
    assert "last known state; run the cell" in restarted["nodes"]
    assert "last known state" in restarted["card"]
    assert restarted["disabled"]
    if not seen["subshells"]:
        assert "The kernel was restarted" in restarted["nodes"], "what became of the click"
    assert "busy" not in restarted["nodes"]


def test_the_cells_work_again_after_a_restart(seen: Any) -> None:
    assert seen["restarted"]["key"].startswith("bago://")


def test_two_tabs_on_one_notebook_are_both_served(seen: Any) -> None:
    tabs = seen["tabs"]
    made = parse_qs(urlsplit(tabs["key"]).query)
    assert made["i"][0] in tabs["mine"], "a key that was made in the other tab is known here"
    assert made["s"][0] not in tabs["mine"]
    assert tabs["other"].startswith("bago://") and tabs["other"] != tabs["key"]
    assert ("*" in tabs["prompt"]) or not seen["subshells"]
