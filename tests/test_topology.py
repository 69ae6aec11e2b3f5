"""The mesh as a graph: what networkx gets of a picture, and ipycytoscape in a real kernel."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx
import pytest
from kernels import LOAD, Kernel

from bago_jupyter.graph import topology
from bago_jupyter.wire import Topology, TopologyEdge, TopologyNode

HOSTILE = "<script>alert(1)</script>" + "x" * 10_000


class Client:
    """Gives one picture."""

    def topology(self) -> Topology:
        nodes = [
            TopologyNode(id="user", rank="user", label="You", state="healthy"),
            TopologyNode(id="router", rank="router", label="here", state="healthy", uptime=5.0),
            TopologyNode(id="backend:local", rank="backend", label="here", state="healthy", total=3),
            TopologyNode(id="backend:far", rank="backend", label="far", state="unhealthy", reason="away"),
            TopologyNode(id="model:local/m", rank="model", label=HOSTILE, backend="backend:local"),
        ]
        ways = [("user", "router"), ("router", "backend:local"), ("router", "backend:far")]
        edges = [TopologyEdge(source=one, target=two, state="healthy", latency=0.01) for one, two in ways]
        edges.append(TopologyEdge(source="backend:local", target="model:local/m"))
        return Topology(at=1.5, nodes=nodes, edges=edges)


@pytest.fixture
def graph() -> networkx.DiGraph[str]:
    return topology(Client())  # type: ignore[arg-type]


def test_fields_are_attributes_and_unknown_ones_are_not_there(graph: networkx.DiGraph[str]) -> None:
    assert graph.graph["at"] == 1.5
    assert graph.nodes["router"] == {"rank": "router", "label": "here", "state": "healthy", "uptime": 5.0}
    assert graph.edges["user", "router"] == {"state": "healthy", "latency": 0.01, "in_flight": 0}
    assert networkx.descendants(graph, "user") == set(graph) - {"user"}
    assert list(graph.predecessors("model:local/m")) == ["backend:local"]


def test_every_writer_takes_it(graph: networkx.DiGraph[str]) -> None:
    written = io.BytesIO()
    networkx.write_graphml(graph, written)
    again = networkx.read_graphml(io.BytesIO(written.getvalue()))
    assert again.nodes["model:local/m"]["label"] == HOSTILE
    assert set(again.edges) == set(graph.edges)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, starter_gguf: Path) -> Iterator[Kernel]:
    made = Kernel(tmp_path_factory.mktemp("kernel") / "home")
    try:
        made.must(f"{LOAD}\nimport bago_jupyter as bago")
        made.must("%bago up --name 'attic <b>'")
        models = made.home / "models"
        models.mkdir(exist_ok=True)
        (models / "smol.gguf").symlink_to(starter_gguf)
        made.must("import time\nwhile not bago.node().models(): time.sleep(0.05)")
        yield made
    finally:
        made.close()


def test_in_a_kernel(kernel: Kernel) -> None:
    found = kernel.value("dict(bago.topology().nodes(data='state'))")
    assert found == dict.fromkeys(("user", "router", "backend:local", "model:local/smol"), "healthy")


def test_ipycytoscape_shows_the_ranks_from_left_to_right(kernel: Kernel) -> None:
    pytest.importorskip("importlib.metadata").version("ipycytoscape")
    ran = kernel.must("widget = bago.to_ipycytoscape(); widget")
    assert ran.data("application/vnd.jupyter.widget-view+json")
    places = "{n.data['id']: (n.position['x'], n.data['state']) for n in widget.graph.nodes}"
    shown: dict[str, Any] = kernel.value(places)
    assert [shown[id][0] for id in ("user", "router", "backend:local", "model:local/smol")] == [
        0.0,
        260.0,
        520.0,
        780.0,
    ]
    edges = "[(e.data['source'], e.data['target']) for e in widget.graph.edges]"
    assert ("backend:local", "model:local/smol") in kernel.value(edges)
    assert kernel.value("widget.get_layout()['name']") == "preset"
    token = kernel.value("bago.node().node.admin_token")
    assert token not in str(kernel.value("str(widget.graph.get_state())"))


def test_a_graph_of_ones_own_is_taken(kernel: Kernel) -> None:
    kernel.must("graph = bago.topology(); graph.add_node('mine'); graph.add_edge('router', 'mine')")
    assert kernel.value("len(bago.to_ipycytoscape(graph).graph.nodes)") == 5


def test_without_ipycytoscape_a_sentence_says_what_to_do(kernel: Kernel) -> None:
    kernel.must("import sys; kept = sys.modules.get('ipycytoscape'); sys.modules['ipycytoscape'] = None")
    ran = kernel.run("bago.to_ipycytoscape()")
    kernel.must("sys.modules['ipycytoscape'] = kept")
    assert "pip install 'bago-jupyter[cytoscape]'" in ran.error


def test_the_verb_prints_a_tree(kernel: Kernel) -> None:
    tree = kernel.must("%bago topology").text
    lines = tree.splitlines()
    assert lines[0].startswith("You")
    assert "attic <b>" in lines[1]
    assert any("local" in line and "healthy" in line for line in lines)
    assert "smol" in lines[-1] and "available" in lines[-1]
