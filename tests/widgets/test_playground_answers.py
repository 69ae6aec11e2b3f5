"""What the playground shows of the answers that servers give, however odd."""

from __future__ import annotations

from typing import Any

from shapes.server import ShapeServer
from shapes.table import TABLE

UP = (
    "from bago_jupyter import launch; from bago_jupyter.widgets import Playground\n"
    "node = launch.up(port=0, name='attic')\n"
    "node.add_connection('up', type='openai', url={url!r})\n"
    "pg = Playground(node); print(pg.model_id)"
)
KINDS = ("usage", "reasoning", "content", "whole-content", "choices")
SHAPES = [
    *(name for name in TABLE if name.startswith(KINDS)),
    *("line-separators-in-text", "surrogates-in-two-events", "error-null", "finish-length", "delta-null"),
    *("error-object", "login-page", "empty-body", "no-choice"),
    *("error-in-the-middle", "garbage-in-the-middle"),
]


def test_every_answer_is_shown_with_its_reasoning_and_every_failure_with_its_sentence(kernel: Any) -> None:
    with ShapeServer(TABLE) as server:
        comm = kernel.run(UP.format(url=server.url)).strip().splitlines()[-1]
        view = kernel.hello(comm)
        for number, name in enumerate(SHAPES):
            shape, begun = TABLE[name], len(kernel.messages)
            asked = {"id": number, "kind": "send", "view": view, "text": "hi", "parameters": {"model": name}}
            kernel.send(comm, asked)
            turn = ended(kernel, comm, begun)
            assert turn["text"] == shape.text, name
            if not shape.answers:
                assert turn["state"] == "failed" and turn["error"], name
                assert "kernel's log" not in turn["error"] and (shape.fails or "") in turn["error"], name
                continue
            assert (turn["state"], turn["error"], turn["thought"]) == ("done", None, shape.reasoning), name
            assert turn["cut"] == (shape.finish == "length"), name
            if shape.tokens is not None:
                assert turn["tokens"] == shape.tokens[1], name


def ended(kernel: Any, comm: str, since: int) -> dict[str, Any]:
    """The next answer that has ended."""

    def wanted(message: Any) -> bool:
        content = message["content"]
        if message["msg_type"] != "comm_msg" or content["comm_id"] != comm:
            return False
        push = content["data"].get("content") or {}
        return push.get("kind") == "turn" and push["turn"]["state"] != "streaming"

    return dict(kernel.wait(wanted, since)["content"]["data"]["content"]["turn"])
