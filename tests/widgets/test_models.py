"""The view of models against a real node, in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from headless import Headless, until
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from slowfile import SlowFile
from widgets.conftest import custom, snapshot

from bago_jupyter.magics.known import STARTERS
from bago_jupyter.widgets import models

UP = (
    "from bago_jupyter import launch; from bago_jupyter.widgets import ModelsView, pump\n"
    "node = launch.up(port=0, name='attic', context_length=512)\n"
)
VIEW = UP + "view = ModelsView(node); print(view.model_id)"


class Shown:
    """A view on show in a kernel."""

    def __init__(self, kernel: Any, code: str = VIEW):
        self.kernel = kernel
        self.comm = kernel.run(code).strip().splitlines()[-1]
        self.view = kernel.hello(self.comm)
        self._id = 0

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The answer to a request."""
        self._id += 1
        self.kernel.send(self.comm, {"id": self._id, "kind": kind, "view": self.view, **fields})
        return self.kernel.reply(self.comm, id=self._id)

    def must(self, kind: str, **fields: Any) -> Any:
        answer = self.ask(kind, **fields)
        assert "ok" in answer, answer
        return answer["ok"]

    def until(self, wanted: Any, since: int = 0) -> Any:
        return self.kernel.state(self.comm, wanted, since)


def own(state: dict[str, Any]) -> dict[str, Any]:
    """This node's models by id."""
    return {model["id"]: model for model in state["view"]["groups"][0]["models"]}


def test_starters_are_those_that_there_are() -> None:
    assert tuple(starter["name"] for starter in models.STARTERS) == STARTERS


def test_a_model_is_pulled_loaded_unloaded_and_deleted(kernel: Any, starter_gguf: Path) -> None:
    view = Shown(kernel)
    empty = view.until(lambda state: state["down"] is None)
    assert [group["name"] for group in empty["view"]["groups"]] == ["attic"] and own(empty) == {}
    kernel.run("pump.REFRESH = 60.0")  # only events and requests may bring what follows

    view.must("pull", source=str(starter_gguf), name="tiny", on="")
    assert view.until(lambda state: state["jobs"])["jobs"][0]["kind"] == "pull"
    kernel.reply(view.comm, kind="note", note="tiny is in the library of attic.")
    there = view.until(lambda state: "tiny" in own(state) and not state["jobs"])
    tiny = own(there)["tiny"]
    assert (tiny["format"], tiny["quantization"], tiny["state"]) == ("gguf", "Q4_1", "available")
    assert (
        tiny["size"] == starter_gguf.stat().st_size
        and tiny["parameters"] > 1e8
        and tiny["context_length"] == 8192
    )
    assert "path" not in tiny and str(starter_gguf) not in kernel.run("print(view.html(), view.plain())")

    begun = len(kernel.messages)
    view.must("load", model="tiny", on="")
    pushed = kernel.reply(view.comm, begun, kind="jobs")
    assert pushed["jobs"][0]["kind"] == "load" and pushed["jobs"][0]["stage"]
    view.until(lambda state: own(state)["tiny"]["state"] == "ready" and not state["jobs"], begun)

    begun = len(kernel.messages)
    view.must("unload", model="tiny", on="")
    view.until(lambda state: own(state)["tiny"]["state"] == "available", begun)

    for shared in (False, True):
        begun = len(kernel.messages)
        view.must("share", model="tiny", shared=shared, on="")
        view.until(lambda state, shared=shared: own(state)["tiny"]["shared"] is shared, begun)

    begun = len(kernel.messages)
    view.must("remove", model="tiny", on="")
    view.until(lambda state: own(state) == {}, begun)


def test_refusals_are_the_nodes_own_sentences(kernel: Any, tmp_path: Path) -> None:
    view = Shown(kernel)
    assert "Which source" in view.ask("pull", source=" ")["error"]
    assert "not paired any more" in view.ask("load", model="x", on="fp_00")["error"]
    assert "no-such" in view.ask("unload", model="no-such", on="")["error"]
    assert "whole number of tokens" in view.ask("load", model="x", context_length="many")["error"]
    assert view.ask("cancel", job=9)["error"] == view.ask("again")["error"] == "That job is over."
    view.must("load", model="no-such", on="")
    failed = view.until(lambda state: state["jobs"] and state["jobs"][0]["state"] == "failed")["jobs"][0]
    assert "no-such" in failed["error"]
    begun = len(kernel.messages)
    view.must("dismiss", job=failed["id"])
    view.until(lambda state: state["jobs"] == [], begun)
    (tmp_path / "home" / "models" / "broken.gguf").write_bytes(b"GGUF, or is it?")
    broken = own(view.until(lambda state: "broken" in own(state)))["broken"]
    assert (broken["state"], "broken.gguf is truncated" in broken["error"]) == ("failed", True)


@pytest.fixture
def slow(starter_gguf: Path) -> Iterator[SlowFile]:
    with SlowFile(starter_gguf) as server:
        yield server


def test_a_cancelled_pull_goes_on_where_it_ended(kernel: Any, slow: SlowFile) -> None:
    view = Shown(kernel)
    view.must("pull", source=f"{slow.url}?token=hush-7421", name="slow", on="")

    def arrived(message: Any) -> bool:
        content = (
            message["content"].get("data", {}).get("content", {}) if message["msg_type"] == "comm_msg" else {}
        )
        return content.get("kind") == "jobs" and content["jobs"][0]["done"] > slow.half * 0.9

    kernel.wait(arrived)
    job = view.until(lambda state: state["jobs"])["jobs"][0]
    view.must("cancel", job=job["id"])
    cancelled = view.until(lambda state: state["jobs"] and state["jobs"][0]["state"] == "cancelled")["jobs"][
        0
    ]
    assert cancelled["what"].endswith("/slow.gguf")
    view.must("again", job=job["id"])
    view.until(lambda state: "slow" in own(state) and not state["jobs"])
    first, second = slow.ranges
    assert first is None and second is not None
    assert int(second[6:-1]) > slow.half * 0.9
    assert "hush-7421" not in str(
        [m["content"] for m in kernel.messages if m["msg_type"].startswith("comm_")]
    )


def test_a_pull_goes_on_without_a_view_and_close_ends_it(kernel: Any, slow: SlowFile, tmp_path: Path) -> None:
    view = Shown(kernel)
    view.must("pull", source=f"{slow.url}?token=hush-7421", name="slow", on="")
    kernel.send(view.comm, {"kind": "bye", "view": view.view})
    kernel.until("not pump._pumps")
    assert kernel.run("print([job['state'] for job in view._jobs.shown()])").strip() == "['running']"
    kernel.run("jobs = view._jobs; view.close()")
    kernel.until("all(job['state'] == 'cancelled' for job in jobs.shown())")


def test_a_pull_that_others_began_is_shown_and_can_be_ended(kernel: Any, slow: SlowFile) -> None:
    view = Shown(kernel)
    view.until(lambda state: state["down"] is None)
    kernel.run(
        "import threading; from bago_jupyter.client import NodeClient\n"
        "from bago_jupyter.errors import PullCancelled\n"
        "kernel_of_another = NodeClient(node.node, caller='other.ipynb'); came = []\n"
        "def pull():\n"
        f"    try: kernel_of_another.pull({slow.url + '?token=hush-7421'!r}, name='theirs')\n"
        "    except PullCancelled as error: came.append(str(error))\n"
        "thread = threading.Thread(target=pull); thread.start()"
    )

    def arrived(message: Any) -> bool:
        return bool(found := jobs(message)) and found[0]["done"] > slow.half * 0.9

    def jobs(message: Any) -> Any:
        return (custom(message, view.comm) or snapshot(message, view.comm) or {}).get("jobs")

    (job,) = jobs(kernel.wait(arrived))
    assert (job["kind"], job["what"], job["name"]) == ("pull", slow.url, "theirs")
    assert (job["by"], job["node"], job["state"]) == ("notebook:other.ipynb", "attic", "running")
    assert job["total"] == len(slow.content)
    assert view.until(lambda state: state["jobs"])["jobs"][0]["id"] == job["id"], "it is shown after a reload"
    begun = len(kernel.messages)
    view.must("cancel", job=job["id"])
    view.until(lambda state: not state["jobs"], begun)
    assert "kept" in kernel.run("thread.join(); print(came)")
    assert view.ask("cancel", job=job["id"])["error"] == "That pull is over."

    # One that this view begins is shown once, though the node tells of it as well.
    begun = len(kernel.messages)
    view.must("pull", source=f"{slow.url}?token=hush-7421", name="ours", on="")
    view.until(lambda state: state["view"]["pulls"], begun)
    shown = [custom(message, view.comm) or {} for message in kernel.messages[begun:]]
    told = [content["jobs"] for content in shown if "jobs" in content]
    assert told and all(len(jobs) == 1 and jobs[0]["by"] is None for jobs in told)
    kernel.run("node.cancel_pull(node.pulls()[0].id)")
    ended = view.until(lambda state: state["jobs"] and state["jobs"][0]["state"] == "cancelled", begun)
    assert len(ended["jobs"]) == 1


def test_models_of_peers_are_loaded_where_that_is_allowed(
    kernel: Any, starter_gguf: Path, tmp_path: Path
) -> None:
    other = Headless(tmp_path / "there", "there", starter_gguf)
    try:
        kernel.run(UP + f"node.connect({other.client.make_key().text!r})")
        view = Shown(kernel, "view = ModelsView(node); print(view.model_id)")

        def theirs(state: Any) -> dict[str, Any]:
            groups = state["view"]["groups"][1:]
            return {
                model["id"]: model
                for group in groups
                if group["state"] == "online"
                for model in group["models"]
            }

        state = view.until(lambda state: "smol" in theirs(state))
        peer = state["view"]["groups"][1]
        assert (peer["kind"], peer["name"]) == ("peer", "there")

        view.must("load", model="smol", on=peer["id"])
        refused = view.until(lambda state: state["jobs"] and state["jobs"][0]["state"] == "failed")
        assert "does not let its peers" in refused["jobs"][0]["error"]
        me = until(lambda: other.client.nodes())[0]
        other.client.change_node(me.fingerprint, allow_control=True)
        begun = len(kernel.messages)
        view.must("again", job=refused["jobs"][0]["id"])
        view.until(lambda state: theirs(state)["smol"]["state"] == "ready", begun)
        begun = len(kernel.messages)
        view.must("unload", model="smol", on=peer["id"])
        view.until(lambda state: theirs(state)["smol"]["state"] == "available", begun)
        assert "Only its owner" in view.ask("remove", model="smol", on=peer["id"])["error"]
    finally:
        other.close()


def test_an_executed_notebook_shows_the_last_state_everywhere(
    starter_gguf: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("BAGO_HOME", str(tmp_path / "home"))
    notebook = nbformat.v4.new_notebook()
    pulled = f"_ = node.pull({str(starter_gguf)!r}, name='tiny')"
    notebook.cells = [nbformat.v4.new_code_cell(f"{UP}{pulled}\nModelsView(node)")]
    NotebookClient(notebook, kernel_name="python3", timeout=200, startup_timeout=200).execute()
    data, live = (output.data for output in notebook.cells[0].outputs)
    widgets = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    view = widgets[live["application/vnd.jupyter.widget-view+json"]["model_id"]]
    assert list(own(view["state"]["snapshot"])) == ["tiny"]
    del notebook.metadata["widgets"]
    for shown in (data["text/plain"], HTMLExporter().from_notebook_node(notebook)[0]):
        for part in ("Models of attic and its mesh", "tiny", "Q4_1", "98.4 MB"):
            assert part in shown
