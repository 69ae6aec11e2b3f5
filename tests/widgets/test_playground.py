"""The playground against a real node and a real model, in a real kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ipykernels import VERSIONS, WITH_SUBSHELLS

MODEL = "tiny"
UP = (
    "import os, time\n"
    "from bago_jupyter import launch; from bago_jupyter.widgets import Playground, pump\n"
    "node = launch.up(port=0, name='attic', context_length=1024, slots=1)\n"
)
ENDLESS = (
    "from bago_jupyter.widgets import sampling; options = sampling.options\n"
    "sampling.options = lambda given: {**options(given), 'ignore_eos': True}"
)
"""The model writes until its bound: 800 tokens are some seconds."""


class Shown:
    """A playground on show in a kernel, and what its browser would have."""

    def __init__(self, kernel: Any, gguf: Path | None, *arguments: str, subshell: str | None = None):
        self.kernel, self.subshell = kernel, subshell
        bring = f"node.pull({str(gguf)!r}, name={MODEL!r}); node.load({MODEL!r})\n" if gguf else ""
        made = f"pg = Playground({', '.join(['node', *arguments])}); print(pg.model_id)"
        self.comm = kernel.run(UP + bring + made).strip().splitlines()[-1]
        self.view = kernel.hello(self.comm, subshell)
        self._id = 0

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The answer to a request."""
        self._id += 1
        self.kernel.send(
            self.comm, {"id": self._id, "kind": kind, "view": self.view, **fields}, self.subshell
        )
        return self.kernel.reply(self.comm, id=self._id)

    def must(self, kind: str, **fields: Any) -> Any:
        answer = self.ask(kind, **fields)
        assert "ok" in answer, answer
        return answer["ok"]

    def pushed(self, since: int = 0) -> list[dict[str, Any]]:
        """What was pushed so far."""
        found = []
        for message in self.kernel.messages[since:]:
            content = message["content"]
            if message["msg_type"] == "comm_msg" and content["comm_id"] == self.comm:
                found.append(content["data"].get("content") or {})
        return found

    def wait(self, wanted: Any, since: int = 0) -> dict[str, Any]:
        """The first push that is ``wanted``."""

        def matches(message: Any) -> bool:
            data = message["content"].get("data", {}) if message["msg_type"] == "comm_msg" else {}
            content = data.get("content") if message["content"].get("comm_id") == self.comm else None
            return bool(content) and bool(wanted(content))

        return dict(self.kernel.wait(matches, since)["content"]["data"]["content"])

    def ended(self, since: int = 0) -> dict[str, Any]:
        """The next answer that has ended."""
        push = self.wait(
            lambda push: push.get("kind") == "turn" and push["turn"]["state"] != "streaming", since
        )
        return dict(push["turn"])

    def pieces(self, since: int = 0) -> dict[str, Any]:
        return self.wait(lambda push: push.get("kind") == "piece" and push["text"], since)

    def snapshot(self) -> str:
        """All that a notebook would store, now."""
        return self.kernel.run(
            "import json; print(json.dumps(pg.get_state()['snapshot']), pg.html(), pg.plain())"
        )


def test_an_answer_arrives_in_pieces_and_says_who_gave_it(kernel: Any, starter_gguf: Path) -> None:
    play = Shown(kernel, starter_gguf, "max_tokens=24", "temperature=0", "seed=1")
    state = kernel.state(play.comm, lambda state: state["view"]["groups"])
    best, mine = state["view"]["groups"]
    assert [option["value"] for option in best["options"]] == [MODEL]
    assert mine["label"] == "attic" and mine["options"][0]["value"] == f"attic/{MODEL}"

    parameters = play.must("open")["parameters"]
    play.must("send", text="Say hello.", parameters={**parameters, "model": f"attic/{MODEL}"})
    turn = play.ended()
    assert (turn["state"], turn["node"], turn["attempts"], turn["model"]) == (
        "done",
        "attic",
        1,
        f"attic/{MODEL}",
    )
    assert turn["text"] and turn["tokens"] and turn["speed"] > 0 and 0 < turn["first"] <= turn["seconds"]
    pieces = [push for push in play.pushed() if push.get("kind") == "piece"]
    assert [piece["at"] for piece in pieces] == list(range(len(pieces)))
    assert turn["text"].startswith("".join(piece["text"] for piece in pieces))

    why = play.must("why", request=turn["request"])
    assert why["id"] == turn["request"] and why["candidates"][0]["node"] == "attic"
    assert "req_none" in play.ask("why", request="req_none")["error"]

    begun = len(kernel.messages)
    play.must("again")
    again = play.ended(begun)
    assert again["id"] > turn["id"] and again["text"] == turn["text"], "temperature 0 and one seed"
    begun = len(kernel.messages)
    play.must("edit", text="Say goodbye.")
    play.ended(begun)
    turns = play.must("open")["turns"]
    assert [(turn["role"], turn["state"]) for turn in turns] == [("user", "done"), ("assistant", "done")]
    assert turns[0]["text"] == "Say goodbye."
    begun = len(kernel.messages)
    play.must("clear")
    assert play.wait(lambda push: push.get("kind") == "turns", begun)["turns"] == []


def test_stopping_frees_the_slot_at_once(kernel: Any, starter_gguf: Path) -> None:
    play = Shown(kernel, starter_gguf, "max_tokens=800")
    kernel.run(ENDLESS)
    play.must("send", text="Count.")
    play.pieces()
    assert kernel.run(f"print([slot.busy for slot in node.slots({MODEL!r})])").strip() == "[True]"
    assert "being written" in play.ask("send", text="And?")["error"]
    play.must("stop")
    stopped = play.ended()
    assert stopped["state"] == "stopped" and stopped["text"]
    kernel.until(f"not any(slot.busy for slot in node.slots({MODEL!r}))")
    assert kernel.run("print(node.why().outcome)").strip() == "cancelled"
    play.must("stop")  # nothing to stop any more
    begun = len(kernel.messages)
    play.must("send", text="Say hello.", parameters={"max_tokens": 4})
    assert play.ended(begun)["state"] == "done"


@pytest.mark.parametrize("kernel", WITH_SUBSHELLS, indirect=True)
def test_it_works_while_a_cell_blocks(kernel: Any, starter_gguf: Path, tmp_path: Path) -> None:
    play = Shown(kernel, starter_gguf, "max_tokens=800", subshell=kernel.subshell())
    kernel.run(ENDLESS)
    release = tmp_path / "release"
    cell = kernel.start(f"while not os.path.exists({str(release)!r}): time.sleep(0.01)")
    play.must("send", text="Count.")
    first = play.pieces()
    assert play.wait(lambda push: push.get("kind") == "piece" and push["at"] > first["at"] + 3)
    play.must("stop")
    assert play.ended()["state"] == "stopped"
    assert not any(
        m["parent_header"].get("msg_id") == cell and m["content"].get("execution_state") == "idle"
        for m in kernel.messages
    )
    release.touch()
    kernel.finish(cell)


def test_an_answer_goes_on_without_a_view_and_close_stops_it(kernel: Any, starter_gguf: Path) -> None:
    play = Shown(kernel, starter_gguf, "max_tokens=800")
    kernel.run(ENDLESS)
    play.must("send", text="Count.")
    play.pieces()
    kernel.send(play.comm, {"kind": "bye", "view": play.view})
    kernel.until("not pump._pumps")
    kernel.run("at = len(pg.conversation.turns[-1].text)")
    kernel.until("len(pg.conversation.turns[-1].text) > at + 20")
    kernel.run("pg.close()")
    kernel.until("pg.conversation.turns[-1].state == 'stopped'")
    kernel.until(f"not any(slot.busy for slot in node.slots({MODEL!r}))")


def test_failures_are_the_nodes_own_sentences(kernel: Any) -> None:
    play = Shown(kernel, None)
    assert "%bago pull" in play.ask("send", text="Hello?")["error"]
    assert "What should" in play.ask("send", text="  ", parameters={"model": "x"})["error"]
    assert "temperature" in play.ask("set", parameters={"temperature": 9})["error"]
    assert play.must("open")["turns"] == []
    play.must("send", text="Hello?", parameters={"model": "no-such"})
    failed = play.ended()
    assert failed["state"] == "failed" and "no-such" in failed["error"]
    why = play.must("why", request=failed["request"])
    assert (why["model"], why["status"], why["detail"]) == ("no-such", 404, failed["error"])
    assert (why["outcome"], why["cause"]) == ("failed", "gone")
    begun = len(kernel.messages)
    play.must("again")
    assert play.ended(begun)["error"] == failed["error"]
    assert "no request 'dance'" in play.ask("dance")["error"]


def test_the_conversation_is_saved_only_where_that_is_wanted(kernel: Any, starter_gguf: Path) -> None:
    play = Shown(kernel, starter_gguf, "max_tokens=4", "system='A private matter.'")
    play.must("send", text="Something private.")
    answer = play.ended()
    assert "private" not in play.snapshot()
    stored = [m for m in kernel.messages if m["content"].get("data", {}).get("method") == "update"]
    assert stored and "private" not in json.dumps(stored, default=str)

    begun = len(kernel.messages)
    play.must("save", save=True)
    saved = kernel.state(play.comm, lambda state: state["saved"], begun)["saved"]
    assert [turn["text"] for turn in saved["turns"]] == ["Something private.", answer["text"]]
    assert saved["parameters"]["system"] == "A private matter."
    begun = len(kernel.messages)
    play.must("send", text="More of it.")
    play.ended(begun)
    kernel.state(
        play.comm, lambda state: state["saved"] and state["saved"]["turns"][-1]["state"] == "done", begun
    )
    assert "More of it." in play.snapshot()

    play.must("save", save=False)
    assert "private" not in play.snapshot()
    assert kernel.run("print(len(pg.conversation.turns))").strip() == "4"
    token = kernel.run("print(node.node.admin_token)").strip()
    assert token not in json.dumps([play.pushed(), play.snapshot()])


@pytest.mark.parametrize("kernel", VERSIONS, indirect=True)
def test_the_saved_conversation_is_an_output_of_the_cell_that_shows_it(kernel: Any) -> None:
    play = Shown(kernel, None)
    cell = kernel.start("pg")
    kernel.finish(cell)
    outputs: dict[str, Any] = {}

    def picture(since: int, wanted: str) -> str:
        """The picture beside the view once that has ``wanted``."""

        def matches(message: Any) -> bool:
            text = message["content"].get("data", {}).get("text/html", "")
            return message["msg_type"] in KINDS and wanted in text

        found = kernel.wait(matches, since)
        assert found["parent_header"]["msg_id"] == cell
        outputs.setdefault(found["content"]["transient"]["display_id"], found["msg_type"])
        return str(found["content"]["data"]["text/html"])

    picture(0, "only while")
    play.must("send", text="Private.", parameters={"model": "no-such", "system": "Be <b>brief</b>."})
    play.ended()
    kernel.run("print('a later cell')")
    begun = len(kernel.messages)
    play.must("save", save=True)
    text = picture(begun, "Private.")
    assert "Be &lt;b&gt;brief&lt;/b&gt;." in text and "no-such" in text
    shown = [m for m in kernel.messages[:begun] if m["msg_type"] in (*KINDS, "execute_result")]
    assert shown and "Private" not in json.dumps(shown, default=str), "nothing of it before"

    begun = len(kernel.messages)
    play.must("send", text="More.")
    picture(begun, "More.")
    begun = len(kernel.messages)
    play.must("save", save=False)
    assert "Private" not in picture(begun, "only while")
    assert list(outputs.values()) == ["display_data"], "one output, which changes"


KINDS = ("display_data", "update_display_data")
