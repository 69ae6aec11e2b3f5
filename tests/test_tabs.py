"""All views of a node in tabs, in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kernels import LOAD, Kernel

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    made = Kernel(tmp_path_factory.mktemp("kernel") / "home")
    try:
        made.must(f"{LOAD}\nimport bago_jupyter as bago")
        made.must("%bago up --name attic")
        yield made
    finally:
        made.close()


def test_every_tab_is_there_in_its_order(kernel: Kernel) -> None:
    ran = kernel.must("tabs = bago.ui(); tabs")
    assert ran.data(WIDGET)
    assert kernel.value("list(tabs.titles)") == [
        "Nodes",
        "Mesh",
        "Models",
        "Playground",
        "Dashboard",
        "Settings",
    ]
    assert kernel.value("[type(child).__name__ for child in tabs.children]") == [
        "NodesView",
        "MeshView",
        "ModelsView",
        "Playground",
        "DashboardView",
        "SettingsView",
    ]
    assert "attic" in ran.text
    assert "attic" in ran.data("text/html")[0]
    kernel.must("import time\nwhile not all(child.live for child in tabs.children): time.sleep(0.05)")
    token = kernel.value("bago.node().node.admin_token")
    assert token not in str(ran.outputs) + kernel.value(
        "repr([child.get_state() for child in tabs.children])"
    )


@pytest.mark.parametrize("tab", ["nodes", "mesh", "models", "playground", "dashboard", "settings"])
def test_a_tab_alone(kernel: Kernel, tab: str) -> None:
    ran = kernel.must(f"%bago ui {tab}")
    assert ran.data(WIDGET)
    assert kernel.value(f"type(bago.ui({tab.capitalize()!r})).__name__").startswith(tab.capitalize())


def test_a_tab_that_is_none_is_named(kernel: Kernel) -> None:
    assert "did you mean dashboard?" in kernel.run("bago.ui('dashbord')").error
    assert "Did you mean dashboard?" in kernel.run("%bago ui dashbord").error
    assert kernel.complete("%bago ui da") == ["%bago ui dashboard"]


def test_without_a_node_a_sentence_says_what_to_do(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = Kernel(tmp_path_factory.mktemp("bare") / "home")
    try:
        assert "%bago up" in made.run("import bago_jupyter as bago\nbago.ui()").error
    finally:
        made.close()
