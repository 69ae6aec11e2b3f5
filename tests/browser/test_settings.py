"""A node's settings as its owner changes them in JupyterLab, and what JupyterLab saves of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NAME, KEY_NAME, MODEL = "study <b>2</b>", "laptop <i>3</i>", "smol"
API_KEY, TEAM_KEY = "sk-typed-unseen-0123456789", "team-secret-key-2024-of-the-test"


def test_settings_in_jupyterlab(lab: Any, starter_gguf: Path) -> None:
    manager = lab.root / "jupyterlab_settings_dir" / "@jupyter-widgets" / "jupyterlab-manager"
    manager.mkdir(parents=True)
    (manager / "plugin.jupyterlab-settings").write_text('{"saveState": true}')
    models = lab.root / "home" / "models"
    models.mkdir(parents=True, mode=0o700)
    models.parent.chmod(0o700)
    (models / f"{MODEL}.gguf").symlink_to(starter_gguf)
    lab.notebook(
        "from bago_jupyter import launch\nfrom bago_jupyter.widgets import SettingsView\n"
        "node = launch.up(port=0)\nSettingsView(node)"
    )
    seen = lab.drive(
        "settings.mjs", name=NAME, apiKey=API_KEY, teamKey=TEAM_KEY, keyName=KEY_NAME, model=MODEL
    )
    assert "failed" not in seen, seen["failed"]
    assert seen["problems"] == []
    assert seen["faults"] == [] and seen["darkFaults"] == []
    network(seen)
    access(seen)
    routing(seen)
    # Name, advertise, discovery, port, API key, external, team key, new key, policy, drain,
    # route, model to append, shared.
    assert seen["values"] == [
        *(NAME, True, False, "0", "", True, "", "", "fastest", True, "", "", False),
    ]
    told_once(seen, lab.root / "work")
    for part in ("last known state", NAME.partition(" ")[0], "Remove"):
        assert part in seen["stale"]


def network(seen: dict[str, Any]) -> None:
    assert seen["unnamed"]["disabled"] and "Give the node a name first." in seen["unnamed"]["text"]
    assert seen["escaped"] == ""
    assert seen["info"] == {"advertise": True, "title": f"Settings of {NAME}"}
    assert "65535" in seen["badPort"] and seen["badPortKept"] == "99999"


def access(seen: dict[str, Any]) -> None:
    assert seen["keyless"]["disabled"] and "Set an API key first." in seen["keyless"]["text"]
    assert seen["unseen"] == "password" and seen["emptied"] == ""
    assert "API key" in seen["notRemoved"] and seen["external"] is True
    assert "It holds until this node stops" in seen["allowed"]
    assert "key" in seen["badTeam"] and seen["badTeamKept"] == "short"
    assert "set until this node stops" in seen["team"]


def routing(seen: dict[str, Any]) -> None:
    assert "smol → attic/other" in seen["route"] and "Nobody offers attic/other now." in seen["route"]
    assert seen["edited"] == "smol\nattic/other"
    assert "one model or more" in seen["badRoute"] and seen["badRouteKept"] == "fast"


def told_once(seen: dict[str, Any], work: Path) -> None:
    assert KEY_NAME in seen["keys"] and "shown only now" in seen["keys"] and "Copy API key" in seen["keys"]
    assert "<i>3" not in seen["keysHtml"]
    assert len(seen["key"]) > 20 and seen["key"] not in seen["done"]
    assert seen["second"] not in seen["reloaded"] and "second" in seen["reloaded"]
    saved = (work / "card.ipynb").read_text()
    assert "widget-state+json" in saved and "cluster_key" in saved, "no state was saved"
    for path in [path for path in work.rglob("*") if path.is_file()]:
        text = path.read_text()
        for secret in (seen["key"], seen["second"], API_KEY, TEAM_KEY):
            assert secret not in text, path
