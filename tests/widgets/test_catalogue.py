"""What can be chosen from the models of the mesh."""

from __future__ import annotations

from typing import Any

import pytest

from bago_jupyter.errors import ModelNotFound
from bago_jupyter.widgets.catalogue import BEST, _connection, choices, default
from bago_jupyter.wire import ConnectionInfo


def model(
    id: str, state: str = "available", tasks: tuple[str, ...] = ("generate",), chat: bool = True
) -> dict[str, Any]:
    return {"id": id, "state": state, "tasks": list(tasks), "chat": chat, "other": None, "runners": []}


def group(kind: str, name: str, *models: Any, state: str = "online", routed: bool = True) -> dict[str, Any]:
    return {"kind": kind, "id": "", "name": name, "state": state, "routed": routed, "models": list(models)}


def catalogue(*groups: Any, routes: Any = ()) -> dict[str, Any]:
    return {"name": "here", "groups": list(groups), "routes": list(routes)}


def values(found: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {group["label"]: [option["value"] for option in group["options"]] for group in found}


def test_models_are_grouped_by_node_and_offered_once_for_the_best() -> None:
    found = choices(
        catalogue(
            group("own", "here", model("a"), model("e", tasks=("embed",))),
            group("peer", "there", model("a", "ready"), model("b")),
            group("peer", "gone", model("c"), state="offline"),
            group("connection", "cloud", model("gpt"), routed=False),
            group("connection", "off", model("z"), state="disabled"),
        )
    )
    assert values(found) == {
        BEST: ["a", "b"],
        "here": ["here/a"],
        "there": ["there/a", "there/b"],
        "cloud": ["cloud/gpt"],
    }
    assert found[0]["options"][0]["state"] == "ready"


def test_another_model_of_the_same_name_is_chosen_by_its_node_alone() -> None:
    other = {**model("a", "ready"), "other": "its weights are not those..."}
    found = choices(catalogue(group("own", "here", model("a")), group("peer", "there", other)))
    assert values(found) == {BEST: ["a"], "here": ["here/a"], "there": ["there/a"]}
    assert found[0]["options"][0]["state"] == "available"


def test_a_connection_that_does_not_chat_is_not_offered_for_it() -> None:
    def chats(dialects: list[str] | None) -> bool:
        connection = ConnectionInfo(name="gpu", type="openai", url="", models=["m"], dialects=dialects)
        made = _connection(connection)
        return bool(choices(catalogue({**made, "routed": False})))

    assert chats(None) and chats(["messages", "chat"])
    assert not chats(["embeddings", "rerank"])


def test_routes_come_first_unless_they_lead_nowhere() -> None:
    routes = [
        {"name": "fast", "targets": ["a", "b"], "missing": ["b"]},
        {"name": "a", "targets": ["b", "a"], "missing": ["b"]},
        {"name": "lost", "targets": ["c"], "missing": ["c"]},
    ]
    found = choices(catalogue(group("own", "here", model("a", "ready")), routes=routes))
    assert values(found)[BEST] == ["fast", "a"]
    assert [option["state"] for option in found[0]["options"]] == ["route", "route"]


def test_a_loaded_model_is_the_default() -> None:
    found = choices(catalogue(group("own", "here", model("a"), model("b", "ready"))))
    assert default(found) == "b"
    assert default(choices(catalogue(group("own", "here", model("a"), model("c"))))) == "a"
    broken = group("own", "here", model("a", "failed"))
    for nothing in ([], choices(catalogue(broken))):
        with pytest.raises(ModelNotFound, match="%bago pull"):
            default(nothing)


def test_what_cannot_answer_or_only_completes_text_is_never_the_default() -> None:
    found = choices(catalogue(group("own", "here", model("sf", "unsupported"), model("smollm2"))))
    assert values(found) == {BEST: ["smollm2"], "here": ["here/smollm2"]} and default(found) == "smollm2"
    bare = model("gemma3", "ready", chat=False)
    found = choices(catalogue(group("own", "here", bare, model("smollm2"))))
    assert [option["chat"] for option in found[0]["options"]] == [False, True]
    assert default(found) == "smollm2"
    with pytest.raises(ModelNotFound, match="no model to chat with"):
        default(choices(catalogue(group("own", "here", bare))))
