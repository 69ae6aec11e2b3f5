"""The status card as a person sees it in JupyterLab, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NAME = "attic <i>1</i>"


def test_the_card_in_jupyterlab(lab: Any, starter_gguf: Path, tmp_path: Path) -> None:
    release = tmp_path / "release"
    lab.notebook(
        "from bago_jupyter import launch\nfrom bago_jupyter.widgets import StatusCard\n"
        f"node = launch.up(port=0, name={NAME!r})\n"
        f"model = node.pull({str(starter_gguf)!r}).id\n"
        "node.load(model, context_length=512)\nStatusCard(node)",
        f"import os, time\nwhile not os.path.exists({str(release)!r}): time.sleep(0.05)",
        "launch.down()",
    )
    seen = lab.drive(release=str(release))
    assert "failed" not in seen, seen["failed"]
    assert seen["problems"] == []
    light, dark, down = seen["light"], seen["dark"], seen["down"]

    assert light["role"] == f"Bago node {NAME}"
    for part in (NAME, "http://127.0.0.1:", "up ", "llama.cpp", "0 failed"):
        assert part in light["text"]
    assert "<i>" not in light["html"]
    assert light["buttons"][0] == "Copy URL"
    assert "URL copied" in seen["copied"]["text"]

    assert "ready" in light["text"]
    assert "*" in seen["promptWhileUnloaded"], "the click was served only after the cell"

    assert (light["scheme"], dark["scheme"]) == ("light", "dark")
    assert brightness(light["ground"]) > 0.8 > 0.3 > brightness(dark["ground"])
    for shown in (light, dark):
        assert abs(brightness(shown["ground"]) - brightness(shown["color"])) > 0.5

    assert "%bago up" in down["text"]
    assert NAME in down["text"]


def brightness(color: str) -> float:
    """Mean of the channels of a computed ``rgb(...)`` colour, 0 to 1."""
    channels = color[color.index("(") + 1 : -1].replace(",", " ").split()[:3]
    return sum(map(float, channels)) / 3 / 255
