"""The Mesh against a real node, in a real kernel; and its twins without a browser."""

from __future__ import annotations

import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ipykernels import VERSIONS

from bago_jupyter.events import RequestEnded, RequestMoved, RequestStarted
from bago_jupyter.widgets import picture
from bago_jupyter.widgets.mesh import MeshView
from bago_jupyter.wire import Condition, Topology, TopologyEdge, TopologyNode

UP = (
    "from bago_jupyter import launch; from bago_jupyter.widgets import MeshView, pump\n"
    "node = launch.up(port=0, name='attic')"
)
SVG = "{http://www.w3.org/2000/svg}"
MESH = f"{UP}\nview = MeshView(node); print(view.model_id)"


def mesh(kernel: Any) -> str:
    return kernel.run(MESH).strip().splitlines()[-1]


def labels(state: Any) -> list[str]:
    return [node["label"] for node in state["view"]["nodes"]]


def test_it_shows_the_node_and_what_it_is_connected_with_at_once(kernel: Any) -> None:
    comm = mesh(kernel)
    assert labels(kernel.state(comm, lambda state: state["view"]))[:2] == ["You", "attic"]
    kernel.run("pump.REFRESH = 60.0")  # only events may bring what follows
    kernel.hello(comm)
    begun = len(kernel.messages)
    kernel.run("node.add_connection('far', url='http://127.0.0.1:9/v1', force=True)")
    kernel.state(comm, lambda state: "far" in labels(state), begun)


def test_a_calm_mesh_costs_the_browser_nothing(kernel: Any) -> None:
    comm = mesh(kernel)
    kernel.run("pump.REFRESH = 0.1")
    kernel.hello(comm)
    kernel.run(
        "reads = []\ngather = view.gather\nview.gather = lambda client: (reads.append(1), gather(client))[1]"
    )
    kernel.until("len(reads) > 3")
    begun = len(kernel.messages)
    kernel.run("del reads[:]")
    kernel.until("len(reads) > 5")
    shown = [
        m for m in kernel.messages[begun:] if m["msg_type"] == "comm_msg" and m["content"]["comm_id"] == comm
    ]
    assert shown == []


def test_a_mesh_that_cannot_be_read_says_so_until_it_can(kernel: Any) -> None:
    comm = mesh(kernel)
    kernel.run("pump.REFRESH = 0.1; logging = __import__('logging'); logging.disable()")
    kernel.hello(comm)
    begun = len(kernel.messages)
    kernel.run("gather = view.gather\nview.gather = lambda client: 1 / 0")
    kernel.state(comm, lambda state: "failed" in (state["down"] or "") and labels(state), begun)
    begun = len(kernel.messages)
    kernel.run("view.gather = gather")
    kernel.state(comm, lambda state: state["down"] is None, begun)


def test_a_request_is_told_as_it_happens(kernel: Any, starter_gguf: Path) -> None:
    comm = mesh(kernel)
    kernel.hello(comm)
    begun = len(kernel.messages)
    kernel.run(
        f"model = node.pull({str(starter_gguf)!r}).id; node.load(model, context_length=512)\n"
        "with node.chat([{'role': 'user', 'content': 'Hi'}], model=model, max_tokens=3) as (_, pieces):"
        " list(pieces)"
    )
    told: list[dict[str, Any]] = []
    at = begun
    while not any(event["event"] == "ended" for event in told):
        kernel.reply(comm, kind="events", since=at)
        while at < len(kernel.messages):
            content = kernel.messages[at]["content"]
            if kernel.messages[at]["msg_type"] == "comm_msg" and content["comm_id"] == comm:
                told += (content["data"].get("content") or {}).get("events", [])
            at += 1
    assert [event["event"] for event in told] == ["started", "moved", "ended"]
    assert len({event["id"] for event in told}) == 1
    assert {event["backend"] for event in told} == {"backend:local"}
    ids = {node["id"] for node in kernel.state(comm, lambda state: state["view"])["view"]["nodes"]}
    assert {"user", "router", "backend:local"} <= ids
    assert told[0]["model"].startswith("model:local/")
    assert (told[1]["outcome"], told[2]["ok"]) == (None, True)


def test_checks_answer_what_failed_and_why(kernel: Any) -> None:
    comm = mesh(kernel)
    view = kernel.hello(comm)
    kernel.run("_ = node.add_connection('far', url='http://127.0.0.1:9/v1', force=True)")
    kernel.send(comm, {"id": 1, "kind": "refresh", "view": view})
    answer = kernel.reply(comm, id=1)["ok"]
    assert answer["checked"] == 1
    assert [failed["name"] for failed in answer["failed"]] == ["far"]
    assert answer["failed"][0]["reason"]
    kernel.send(comm, {"id": 2, "kind": "check", "node": "backend:openai:far", "view": view})
    assert kernel.reply(comm, id=2)["ok"]["failed"] == answer["failed"]
    kernel.send(comm, {"id": 3, "kind": "check", "node": "backend:local", "view": view})
    assert kernel.reply(comm, id=3)["ok"] == {"checked": 1, "failed": []}
    kernel.send(comm, {"id": 4, "kind": "check", "node": "backend:gone", "view": view})
    assert "backend:gone" in kernel.reply(comm, id=4)["error"]


@pytest.mark.parametrize("kernel", VERSIONS, indirect=True)
def test_the_view_is_fed_and_served_while_a_cell_blocks(kernel: Any) -> None:
    comm = mesh(kernel)
    shell = None if kernel.run("import ipykernel; print(ipykernel.__version__[0])").strip() == "6" else True
    view = kernel.hello(comm, subshell := kernel.subshell() if shell else None)
    begun = len(kernel.messages)
    cell = kernel.start(
        "import threading, time\n"
        "add = lambda: node.add_connection('far', url='http://127.0.0.1:9/v1', force=True)\n"
        "threading.Timer(0.2, add).start()\nover = []\n"
        "end = time.monotonic() + 200\nwhile not over and time.monotonic() < end: time.sleep(0.01)\n"
        "print('blocked')"
    )
    kernel.state(comm, lambda state: "far" in labels(state), begun)
    if subshell is not None:
        kernel.send(comm, {"id": 1, "kind": "check", "node": "backend:local", "view": view}, subshell)
        assert kernel.reply(comm, id=1, since=begun)["ok"]["checked"] == 1
    ended = [m for m in kernel.messages if m["parent_header"].get("msg_id") == cell]
    assert not any(m["content"].get("execution_state") == "idle" for m in ended)
    kernel.manager.interrupt_kernel()


def view() -> MeshView:
    return MeshView.__new__(MeshView)


def test_an_answer_with_an_error_status_is_no_success() -> None:
    ended = RequestEnded(
        id="1",
        model="m",
        backend="b",
        outcome="ok",
        seconds=1.0,
        tokens=None,
        target="t",
        status=500,
        verdict="failed",
    )
    told = MeshView.passing(view(), ended)
    assert told is not None
    assert (told["ok"], told["outcome"], told["detail"]) == (False, "ok", "HTTP 500")
    assert told["model"] == "model:b/t"


def test_events_name_the_nodes_of_the_picture() -> None:
    started = MeshView.passing(view(), RequestStarted(id="1", model="m", backend="peer:ab", target="t"))
    moved = MeshView.passing(
        view(), RequestMoved(id="1", backend="peer:ab", target="t", outcome="failed", detail="refused")
    )
    nobody = RequestEnded(
        id="2",
        model="m",
        backend=None,
        outcome="failed",
        detail="no model",
        seconds=0.0,
        tokens=None,
        verdict="failed",
    )
    assert started is not None and moved is not None
    assert (started["backend"], started["model"]) == ("backend:peer:ab", "model:peer:ab/t")
    assert (moved["event"], moved["outcome"], moved["detail"]) == ("moved", "failed", "refused")
    assert MeshView.passing(view(), nobody) == {
        "event": "ended",
        "id": "2",
        "backend": None,
        "model": None,
        "outcome": "failed",
        "detail": "no model",
        "ok": False,
    }


def topology(label: str = "attic", models: int = 2, state: Condition = "healthy") -> Topology:
    nodes = [
        TopologyNode(id="user", rank="user", label="You", state="healthy"),
        TopologyNode(id="router", rank="router", label="desk", state="healthy", uptime=61.0, total=3, ok=2),
        TopologyNode(id="backend:b", rank="backend", label=label, state=state, kind="peer", reason="so"),
    ]
    nodes += [
        TopologyNode(
            id=f"model:b/{at}",
            rank="model",
            label=f"m{at}",
            state=state,
            model_state="ready",
            backend="backend:b",
        )
        for at in range(models)
    ]
    edges = [TopologyEdge(source="user", target="router", state="healthy")]
    edges += [TopologyEdge(source="router", target="backend:b", state=state, latency=0.0123)]
    edges += [TopologyEdge(source="backend:b", target=f"model:b/{at}", state=state) for at in range(models)]
    return Topology(at=0.0, nodes=nodes, edges=edges)


def test_the_text_is_a_tree() -> None:
    assert picture.plain(topology()).splitlines() == [
        "You",
        "└─ desk  up 1 min 1 s, 3 requests, 2 ok",
        "   └─ attic  peer, healthy (so), 12.3 ms",
        "      ├─ m0  ready",
        "      └─ m1  ready",
    ]


def test_the_text_says_why_a_node_is_down_and_counts_many_models() -> None:
    lines = picture.plain(topology(models=100), "No node answers.").splitlines()
    assert lines[0] == "! No node answers."
    assert lines[-1].endswith("└─ and 88 more")
    assert picture.plain(None, "No node answers.") == "No node answers."


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


@pytest.mark.parametrize("models", [0, 2, 100])
def test_the_static_picture_is_harmless_whatever_names_are(models: int) -> None:
    hostile = "\uffff\ud800\u202e\x1b[2J<img src=x onerror=alert(1)>" + "x" * 10_000
    page = picture.html(topology(hostile, models, "unhealthy"), "<b>down</b>")
    tags = Tags()
    tags.feed(page)
    assert tags.tags <= {"img", "p", "b", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    drawn = image(page)
    assert {element.tag.removeprefix(SVG) for element in drawn.iter()} <= {"svg", "path", "rect", "text"}
    assert not any(name.startswith("on") or "href" in name for each in drawn.iter() for name in each.attrib)
    for text in (page, "".join(drawn.itertext())):
        assert "\u202e" not in text and "\x1b" not in text
    text = picture.plain(topology(hostile, models, "unhealthy"))
    assert "\u202e" not in text and "\x1b" not in text
    assert max(map(len, text.splitlines())) < 200


def test_the_static_picture_has_every_rank() -> None:
    drawn = image(picture.html(topology()))
    assert {text.text for text in drawn.iter(f"{SVG}text")} == {"You", "desk", "attic", "m0", "m1"}
    assert len(list(drawn.iter(f"{SVG}path"))) == 4


def image(page: str) -> ElementTree.Element:
    """The one picture in ``page``, as a browser reads it: an image must be well-formed."""
    (source,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    return ElementTree.fromstring(b64decode(source))
