"""All views in one notebook, by keyboard: where the focus goes, and what one view does to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from badmodel import BadModel

VIEWS = ("NodesView", "SettingsView", "ModelsView", "Playground", "MeshView", "DashboardView")
NODES, _, MODELS, _, MESH, DASHBOARD = map(str, range(len(VIEWS)))
MANY = [f"m-{at:03}" for at in range(150)]
NOWHERE = "http://127.0.0.1:9/v1"


def test_all_views_in_one_notebook_by_keyboard(lab: Any, starter_gguf: Path) -> None:
    library = lab.root / "home" / "models"
    library.mkdir(parents=True)
    (library / "smol.gguf").symlink_to(starter_gguf)
    first, *others = (f"widgets.{name}(node)" for name in VIEWS)
    with BadModel(MANY) as many:
        lab.notebook(
            "from bago_jupyter import launch, widgets\n"
            "node = launch.up(port=0, name='desk', context_length=512)\n"
            f"_ = node.add_connection('far', url={NOWHERE!r}, force=True)\n"
            f"_ = node.add_connection('many', url={many.url!r})\n"
            f"{first}",
            *others,
        )
        seen = lab.drive("keyboard.mjs")
    assert "failed" not in seen, seen["failed"]
    assert seen["problems"] == []

    widths = seen["widths"]
    assert all(widths[wide] > widths[NODES] for wide in (MESH, DASHBOARD, MODELS)), widths
    assert (seen["generated"], seen["replaced"]) == ("Copy key", "Copy key")
    assert seen["revoked"] == "Generate connection key"
    for what, found in seen["arrows"].items():
        assert found == {"moved": True, "stayed": 1}, what
    assert seen["panel"].startswith("You"), "the focus is in the tree again"
    assert (seen["edits"], seen["editing"]) == (1, "The question")
    assert (seen["listed"], seen["rest"]) == (100, "50 more; filter to find them.")
    assert (seen["found"], seen["nothing"]) == (1, "No model here is called that.")
    assert seen["forced"]["text"] != seen["forced"]["ground"]
    assert all(200 < room < 400 and whole <= room for room, whole in seen["narrow"].values()), seen["narrow"]
