"""The static picture beside a live widget, in a real kernel."""

from __future__ import annotations

from typing import Any

import pytest
from ipykernels import VERSIONS

from bago_jupyter.widgets.twin import Twin

CARD = (
    "from bago_jupyter import launch; from bago_jupyter.widgets import StatusCard, twin\n"
    "node = launch.up(port=0, name='attic'); card = StatusCard(node); print(card.model_id)"
)
WIDGET = "application/vnd.jupyter.widget-view+json"


def outputs(kernel: Any, cell: str) -> list[dict[str, Any]]:
    """What ``cell`` holds now, as a front end keeps it."""
    kept: dict[str, dict[str, Any]] = {}
    for number, message in enumerate(kernel.messages):
        if message["parent_header"].get("msg_id") == cell and message["msg_type"] in KINDS:
            content = message["content"]
            id = content.get("transient", {}).get("display_id", str(number))
            assert (id in kept) == (message["msg_type"] == "update_display_data")
            kept[id] = content["data"]
    return list(kept.values())


KINDS = ("display_data", "update_display_data", "execute_result")


@pytest.mark.parametrize("kernel", VERSIONS, indirect=True)
def test_a_cell_keeps_the_last_picture_beside_the_widget(kernel: Any) -> None:
    comm = kernel.run(CARD).strip().splitlines()[-1]
    cell = kernel.start("card")
    kernel.finish(cell)
    picture, live = outputs(kernel, cell)
    assert "data-bago-twin" in picture["text/html"] and "attic" in picture["text/plain"]
    assert live["text/plain"] == "" and live[WIDGET]["model_id"] == comm

    kernel.hello(comm)
    kernel.run("launch.down()")
    kernel.state(comm, lambda state: state["down"])
    assert "  down\n" not in outputs(kernel, cell)[0]["text/plain"], "not with every change"
    kernel.run("twin.INTERVAL = 0.0; node = launch.up(port=0); print('a later cell')")
    begun = len(kernel.messages)
    kernel.run("launch.down()")
    kernel.wait(
        lambda message: (
            message["msg_type"] == "update_display_data"
            and "  down\n" in message["content"]["data"]["text/plain"]
        ),
        begun,
    )
    picture, live = outputs(kernel, cell)
    assert "down" in picture["text/html"] and live[WIDGET]["model_id"] == comm


def test_a_view_that_is_left_leaves_its_last_picture(kernel: Any) -> None:
    comm = kernel.run(CARD).strip().splitlines()[-1]
    cell = kernel.start("card")
    kernel.finish(cell)
    view = kernel.hello(comm)
    begun = len(kernel.messages)
    kernel.run("node.configure(name='cellar')")
    kernel.state(comm, lambda state: state["status"]["name"] == "cellar", begun)
    kernel.send(comm, {"kind": "bye", "view": view})
    kernel.wait(lambda message: message["msg_type"] == "update_display_data", begun)
    assert "cellar" in outputs(kernel, cell)[0]["text/plain"]


def test_where_outputs_cannot_see_each_other_the_widget_brings_its_picture(kernel: Any) -> None:
    kernel.run(CARD)
    kernel.run("import os; os.environ['VSCODE_PID'] = '1'")
    cell = kernel.start("card")
    kernel.finish(cell)
    (only,) = outputs(kernel, cell)
    assert "attic" in only["text/html"] and "attic" in only["text/plain"] and WIDGET in only


def test_there_is_none_outside_of_a_kernel() -> None:
    assert not Twin(lambda: "<p>", lambda: "p").place()
