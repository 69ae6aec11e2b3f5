"""The settings view in a real kernel: each control's request, and what of it is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from views import View

UP = (
    "from bago_jupyter import launch; from bago_jupyter.widgets import SettingsView\n"
    "node = launch.up(port=0)\nview = SettingsView(node); print(view.model_id)"
)


class Settings(View):
    """The same, for settings."""

    def set(self, **changes: Any) -> Any:
        """Change settings; those that are shown by the time of the answer."""
        self.must("configure", changes=changes)
        return self.shown()["settings"]


@pytest.fixture
def view(kernel: Any) -> Settings:
    return Settings(kernel, UP)


def test_settings_change_live(view: Settings) -> None:
    assert view.shown()["settings"]["name"] is None
    assert "name" in view.refused("configure", changes={"advertise": True})
    assert view.set(name="study")["name"] == "study"
    assert view.shown()["node"]["name"] == "study"
    assert view.set(advertise=True)["advertise"] is True
    assert view.set(advertise=False, discovery=False)["discovery"] is False
    assert view.set(policy="fastest")["policy"] == "fastest"
    assert "policy" in view.refused("configure", changes={"policy": "random"})
    assert "can be changed here" in view.refused("configure", changes={"home": "/"})
    view.must("drain", on=True)
    assert view.shown()["node"]["draining"] is True
    view.must("drain", on=False)
    assert view.shown()["node"]["draining"] is False


def test_secrets_go_in_and_do_not_come_back(view: Settings) -> None:
    assert "API key" in view.refused("configure", changes={"external": True})
    assert view.set(api_key="sk-typed-unseen-0123456789")["api_key"] is True
    assert view.set(external=True)["external"] is True
    assert view.set(cluster_key="team-secret-key-2024-of-the-test")["cluster_key"] is True
    assert view.set(cluster_key=None)["cluster_key"] is False
    assert view.set(external=False, api_key=None)["api_key"] is False
    view.kernel.run("view")
    view.kernel.run("print(repr(view), view.plain(), view.html(), view.get_state())")
    said = json.dumps(view.kernel.messages, default=str)
    assert "sk-typed" not in said and "team-secret" not in said


def test_an_api_key_is_told_once(view: Settings) -> None:
    made = view.must("add_api_key", name=" laptop ")
    assert made["name"] == "laptop"
    assert [key["name"] for key in view.shown()["api_keys"]] == ["laptop"]
    assert "laptop" in view.refused("add_api_key", name="laptop")
    assert "needs a name" in view.refused("add_api_key", name=" ")
    view.kernel.run("view")
    holding = [m for m in view.kernel.messages if made["key"] in json.dumps(m, default=str)]
    assert [m["content"]["data"]["method"] for m in holding] == ["custom"]
    view.must("remove_api_key", name="laptop")
    assert view.shown()["api_keys"] == []


def test_routes_and_sharing(view: Settings, starter_gguf: Path) -> None:
    model = view.kernel.run(f"print(node.pull({str(starter_gguf)!r}).id)").strip().splitlines()[-1]
    view.must("set_route", name="fast", targets=[model, "attic/other"])
    (route,) = view.shown()["routes"]
    assert route == {"name": "fast", "targets": [model, "attic/other"], "missing": ["attic/other"]}
    assert model in view.shown()["targets"]
    assert "one model or more" in view.refused("set_route", name="fast", targets=[])
    view.must("remove_route", name="fast")
    assert view.shown()["routes"] == []
    assert view.shown()["sharing"] == [{"model": model, "shared": True}]
    view.must("share", model=model, shared=False)
    assert view.shown()["sharing"] == [{"model": model, "shared": False}]
    assert "no-such" in view.refused("share", model="no-such", shared=True)
    assert model in view.kernel.run("print(view.plain())")
