"""The Mesh as a person sees it in JupyterLab: the kernel's node, two more nodes, four servers.

JupyterLab, its kernel and the browser are on one host (a network namespace), the other nodes on one each;
where there can be none, all of them run on this machine.
Each row of the manual's page on the Mesh tab is a test; one walk through the page feeds them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from connections.servers import Server
from faults import Call, Faults
from headless import Headless
from lan import Lan, missing, needs
from mesh.hosts import Inside, Nodes, until

from bago_jupyter.client import NodeClient
from bago_jupyter.state import Home

NAME = "desk <i>1</i>"
HOSTILE = "<img src=x onerror=alert(1)>"
MANY = [f"many-{at:02}" for at in range(20)]
OTHERS = ("attic", "cellar")
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"one "}}]}\n\n'


class Cloud(Server):
    """An OpenAI server that streams slowly, fails, or answers at once, as its models are called."""

    def __init__(self, release: Path):
        super().__init__("fast", "slow", "fails", HOSTILE, *MANY)
        self._release = release

    async def __call__(self, call: Call) -> None:
        if b'"fails"' in call.body:
            await call.json(b'{"error":{"message":"out of memory"}}', 500)
        elif b'"slow"' in call.body and b'"stream":true' in call.body.replace(b" ", b""):
            await call.sse_head()
            while not self._release.exists() and not call.gone.is_set():
                await call.chunk(CHUNK)
                await asyncio.sleep(0.1)
            await call.chunk(b"data: [DONE]\n\n")
            await call.raw(b"0\r\n\r\n")
        else:
            await super().__call__(call)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan | None]:
    """Three hosts: JupyterLab's, attic's and cellar's. ``None`` where there can be none."""
    if missing():
        yield None
    else:
        with Lan(3) as lan:
            yield lan


@pytest.fixture(scope="module")
def others(
    lan: Lan | None, starter_gguf: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[NodeClient]]:
    """Clients of the other two nodes, attic and cellar."""
    with contextlib.ExitStack() as stack:
        if lan is None:
            at_home = []
            for name in OTHERS:
                at_home.append(Headless(tmp_path_factory.mktemp(name), name, starter_gguf))
                stack.callback(at_home[-1].close)
            yield [other.client for other in at_home]
        else:
            nodes = Nodes(lan)
            stack.callback(nodes.close)
            afar = [
                nodes(host, name, model=starter_gguf, advertise=True, context_length=512)
                for host, name in enumerate(OTHERS, 2)
            ]
            yield [other.client for other in afar]


@pytest.fixture(scope="module")
def cloud(module_lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a :class:`Cloud` on JupyterLab's host, and the file that ends its slow streams."""
    release = tmp_path_factory.mktemp("cloud") / "release-slow"
    ready, over, url = threading.Event(), threading.Event(), [""]

    async def serve() -> None:
        async with Faults(Cloud(release)) as faults:
            url[0] = faults.url
            ready.set()
            while not over.is_set():
                await asyncio.sleep(0.02)

    def run() -> None:
        with module_lab.inside():
            asyncio.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    yield url[0], release
    over.set()
    thread.join(10)


@pytest.fixture(scope="module")
def seen(
    lan: Lan | None, module_lab: Any, cloud: tuple[str, Path], others: list[NodeClient]
) -> dict[str, Any]:
    url, slow = cloud
    release = Path(str(slow).removesuffix("-slow"))
    keys = [other.make_key().text for other in others]
    with module_lab.inside():
        port, nowhere = free_port(), free_port()
    module_lab.notebook(
        "from bago_jupyter import launch\nfrom bago_jupyter.widgets import MeshView\n"
        f"node = launch.up(port={port}, name={NAME!r}, advertise={lan is not None})\n"
        f"for key in {keys!r}: node.connect(key)\n"
        f"node.add_connection('cloud', url={url!r} + '/v1')\n"
        f"node.add_connection('broken', url='http://127.0.0.1:{nowhere}/v1', force=True)\n"
        f"node.add_connection('off', url={url!r} + '/v1', enabled=False, models=['fast'], force=True)\n"
        "MeshView(node)",
        f"node.add_connection('late', url={url!r} + '/v1', models=['fast']).name",
        "import os, time\nend = time.monotonic() + 20\n"
        f"while not os.path.exists({str(release)!r}) and time.monotonic() < end: time.sleep(0.05)",
    )
    found: dict[str, Any] = module_lab.drive(
        "mesh.mjs", node=f"http://127.0.0.1:{port}", release=str(release)
    )
    assert "failed" not in found, found["failed"]
    found["notebook"] = (module_lab.root / "work" / "card.ipynb").read_text()
    return found


def at(seen: dict[str, Any], start: str) -> list[dict[str, Any]]:
    return [item for item in seen["tree"] if item["id"].startswith(start)]


def text(seen: dict[str, Any], id: str) -> str:
    return next(item["text"] for item in seen["tree"] if item["id"] == id)


def test_nothing_went_wrong_in_the_page(seen: Any) -> None:
    assert seen["problems"] == []


def test_the_three_nodes_are_three_hosts_that_discover_each_other(
    seen: Any, lan: Lan, module_lab: Any, others: list[NodeClient]
) -> None:
    needs()
    file = Home(module_lab.root / "home").read_node()
    assert file is not None
    names = {NAME, *OTHERS}
    with contextlib.closing(NodeClient(file, transport=Inside(lan, 1))) as desk:
        for client, own in zip((desk, *others), (NAME, *OTHERS), strict=True):
            until(lambda client=client, own=own: {n.name for n in client.discovered()} == names - {own})
        paired = {node.name: node.addresses[0].rpartition(":")[0].strip("[]") for node in desk.nodes()}
    assert set(paired) == set(OTHERS)
    hosts = {ipaddress.ip_address(address) for address in paired.values()}
    assert len(hosts) == 2
    assert not any(host.is_loopback or str(host) == lan.address(1) for host in hosts)


# What You Can See


def test_the_flow_goes_from_left_to_right(seen: Any) -> None:
    places = [seen["places"][rank]["x"] for rank in ("user", "router", "backend", "model")]
    assert places == sorted(places)
    assert places[0] < places[1] < places[2]


def test_user_node_is_the_entry_point(seen: Any) -> None:
    assert [item["text"] for item in at(seen, "user")] == ["You, 1 connection"]


def test_router_node_shows_running_status_and_uptime(seen: Any) -> None:
    assert re.search(r"running, up \d+ (s|min)", text(seen, "router"))
    assert any(re.match(r"running · up \d+ (s|min)", drawn) for drawn in seen["texts"])


def test_router_node_displays_request_statistics(seen: Any) -> None:
    assert "0 requests, 0 ok, 0 failed" in text(seen, "router")
    assert {"0 requests", "0 ok · 0 failed"} <= set(seen["texts"])


def test_backend_nodes_are_all_connected_backends(seen: Any) -> None:
    backends = [item["text"] for item in at(seen, "backend:")]
    for name, kind in (
        (f"backend {NAME}", "Local"),
        ("backend attic", "Backend.AI GO peer"),
        ("backend cellar", "Backend.AI GO peer"),
        ("backend cloud", "OpenAI compatible"),
        ("backend broken", "OpenAI compatible"),
        ("backend off", "OpenAI compatible"),
    ):
        assert any(said.startswith(name) and kind in said for said in backends), (name, backends)


def test_model_nodes_are_the_models_of_each_backend(seen: Any) -> None:
    assert len([item for item in at(seen, "model:peer:") if "model smol" in item["text"]]) == 2
    assert [item["level"] for item in at(seen, "group:")] == [4]


def test_many_models_are_grouped_until_opened(seen: Any) -> None:
    assert text(seen, next(item["id"] for item in at(seen, "group:"))) == f"{len(MANY) + 4} models, closed"
    assert seen["opened"] == len(MANY)
    assert seen["folded"] == 0


# Live Connection Status


def test_it_updates_automatically_every_5_seconds(seen: Any) -> None:
    assert seen["refreshed"] < 7


def test_it_updates_at_once_when_something_happens(seen: Any) -> None:
    assert seen["event"] < 4


def test_green_connections_are_healthy(seen: Any) -> None:
    assert "healthy" in text(seen, next(i["id"] for i in at(seen, "backend:") if "cloud" in i["text"]))
    assert seen["colours"]["good"] > 100


def test_red_connections_are_unhealthy_or_failed(seen: Any) -> None:
    assert "unhealthy" in text(seen, next(i["id"] for i in at(seen, "backend:") if "broken" in i["text"]))
    assert seen["colours"]["bad"] > 50


def test_gray_connections_are_disabled_or_inactive(seen: Any) -> None:
    assert "disabled" in text(seen, next(i["id"] for i in at(seen, "backend:") if "backend off" in i["text"]))
    assert seen["colours"]["muted"] > 50


def test_animated_particles_show_data_flowing(seen: Any) -> None:
    assert seen["peer"] == 200
    assert seen["flying"]["active"] >= 2
    assert seen["flying"]["moving"] == ""


def test_latency_labels_are_in_milliseconds(seen: Any) -> None:
    assert any(re.fullmatch(r"[<\d.]+ ms", drawn) for drawn in seen["texts"]), seen["texts"]


# Animated Data Flow


def test_particles_show_the_direction_of_travel(seen: Any) -> None:
    frames: dict[int, list[dict[str, float]]] = {}
    for spot in seen["stream"]:
        frames.setdefault(spot["frame"], []).append(spot)
    begun = seen["stream"][0]["t"]
    # The oldest particle of a frame is painted first: at first the request, later one of the answer.
    oldest = [(spots[0]["t"] - begun, spots[0]["x"]) for spots in frames.values()]
    request = [x for age, x in oldest if age < 400]
    assert request == sorted(request) and request[-1] > request[0], "the request goes to the right"
    answer = [x for age, x in oldest if age > 2000]
    left = sum(after < before for before, after in itertools.pairwise(answer))
    assert left > 0.7 * (len(answer) - 1), "the answer comes back to the left"


def test_green_particles_are_a_healthy_flow(seen: Any) -> None:
    assert seen["slow"] == 200
    assert all(spot["red"] == 0 for spot in seen["stream"])


def test_red_particles_are_a_problem(seen: Any) -> None:
    assert seen["fails"] == 500
    assert seen["red"] >= 1
    assert seen["redPixels"] > 5


def test_glow_highlights_active_connections(seen: Any) -> None:
    assert seen["glow"] > 20
    assert seen["still"]["active"] == 0


def test_animation_stops_when_nothing_flows(seen: Any) -> None:
    assert seen["still"]["particles"] == 0
    assert seen["still"]["frames"] <= 4, "a picture that stands still is painted once a second"


def test_reduced_motion_moves_nothing(seen: Any) -> None:
    assert seen["reduced"] == 0


# Interactive Controls


def test_scroll_wheel_zooms_where_the_pointer_is(seen: Any) -> None:
    assert seen["poses"]["wheel"]["k"] > seen["poses"]["first"]["k"]


def test_dragging_pans(seen: Any) -> None:
    before, after = seen["poses"]["wheel"], seen["poses"]["dragged"]
    assert round(after["x"] - before["x"]) == 60
    assert round(after["y"] - before["y"]) == 40


def test_control_buttons_zoom_and_fit(seen: Any) -> None:
    poses = seen["poses"]
    assert poses["in"]["k"] > poses["dragged"]["k"]
    assert poses["out"]["k"] == pytest.approx(poses["dragged"]["k"])
    assert poses["fit"] == pytest.approx(poses["first"], abs=0.5)


def test_clicking_a_node_selects_it(seen: Any) -> None:
    assert seen["clicked"]["name"] == "You"


def test_path_highlighting_lights_all_connected_edges(seen: Any) -> None:
    panels = seen["panels"]
    assert panels["model"]["lit"] == 3
    assert panels["peer"]["lit"] == 3
    assert panels["user"]["lit"] >= 7
    assert all(panel["litAfter"] == 0 for panel in panels.values())


def test_hover_tooltips(seen: Any) -> None:
    assert seen["tip"].splitlines() == ["You", "1 connection"]


def test_refresh_button_checks_all_connections(seen: Any) -> None:
    assert re.match(r"\d+ connections healthy; broken: ", seen["refresh"])


def test_legend_names_node_and_connection_types(seen: Any) -> None:
    for part in ("User", "Router", "Backend.AI GO peer", "Backend.AI Cluster", "Cloud", "Model"):
        assert part in seen["legend"]
    for part in ("Healthy connection", "Unhealthy", "Disabled", "failure"):
        assert part in seen["legend"]


def test_esc_closes_the_details_panel(seen: Any) -> None:
    assert all("litAfter" in panel for panel in seen["panels"].values())


def test_node_search(seen: Any) -> None:
    assert seen["found"][0].split("\n")[0] == "many-07"
    assert seen["searched"]["name"] == "many-07"


# Node Details Panel


def test_user_details_show_the_connection_count(seen: Any) -> None:
    assert seen["panels"]["user"]["rows"]["Connections"] == "1 connection"


def test_router_details_show_status_uptime_and_statistics(seen: Any) -> None:
    rows = seen["panels"]["router"]["rows"]
    assert rows["Status"] == "Running"
    assert re.match(r"\d+ (s|min)", rows["Uptime"])
    assert [rows[name] for name in ("Total requests", "Successful", "Failed")] == ["0", "0", "0"]


def test_backend_details(seen: Any) -> None:
    rows = seen["panels"]["peer"]["rows"]
    assert rows["Type"] == "Backend.AI GO peer"
    assert rows["URL"].startswith("https://")
    assert (rows["Health"], rows["Enabled"], rows["Models"]) == ("Healthy", "Yes", "1")
    assert re.fullmatch(r"[<\d.]+ ms", rows["Latency"])


def test_backend_details_show_the_error_of_an_unhealthy_connection(seen: Any) -> None:
    panel = seen["panels"]["backend"]
    assert panel["badge"] == "Unhealthy"
    assert panel["rows"]["Error"]


def test_model_details_show_model_id_and_backend(seen: Any) -> None:
    rows = seen["panels"]["model"]["rows"]
    assert rows["Model ID"] == "smol"
    assert rows["Backend"] in ("attic", "cellar")


def test_close_button_dismisses_the_panel(seen: Any) -> None:
    assert seen["closed"] is True


def test_connected_path_count(seen: Any) -> None:
    assert seen["panels"]["user"]["paths"].startswith("Connected paths: 1 (")
    assert seen["panels"]["peer"]["paths"].startswith("Connected paths: 2 (")
    assert seen["panels"]["model"]["paths"].startswith("Connected paths: 1 (")


def test_focus_goes_into_the_panel_and_back(seen: Any) -> None:
    for panel in seen["panels"].values():
        assert panel["focus"] is True
        assert panel["name"].split(" <")[0] in panel["back"]


# Connection Health Monitoring


def test_each_backend_has_a_health_badge(seen: Any) -> None:
    assert seen["panels"]["peer"]["badge"] == "Healthy"
    assert any(drawn.startswith("healthy · ") for drawn in seen["texts"])


def test_each_backend_shows_latency_and_model_count(seen: Any) -> None:
    assert any(re.fullmatch(r"healthy · [<\d.]+ ms", drawn) for drawn in seen["texts"])
    assert "1 model" in seen["texts"]


def test_manual_check_of_one_connection(seen: Any) -> None:
    assert "It answers." in seen["checked"]
    assert seen["broken"].startswith("broken: ")


# Beyond the manual


def test_the_mesh_can_be_walked_by_keyboard(seen: Any) -> None:
    walk = seen["walk"]
    assert all(step["role"] == "treeitem" for step in walk)
    said = [step["text"] for step in walk]
    assert said[0].startswith("You") and said[1].startswith("router") and said[2].startswith("backend")
    assert len(set(said[2:5])) == 3, "Down goes to the next backend"
    assert said[5] == said[3], "Up goes back"
    assert said[7] == said[5], "Right and Left go to a model and back"
    assert said[8] == said[2], "Home goes to the first of the rank"


def test_it_is_served_while_a_cell_blocks(seen: Any) -> None:
    assert "*" in seen["blocked"]["prompt"], "the clicks were served only after the cell"
    assert seen["blocked"]["after"] < 20
    assert seen["blocked"]["panel"] is True
    assert seen["blockedFlow"] == 200


def test_the_last_ten_minutes_can_be_replayed(seen: Any) -> None:
    assert seen["past"] == {"state": "the past", "late": 0, "stage": ""}
    assert seen["replayed"] is True
    assert seen["now"] == {"late": 1, "stage": None}


def test_the_canvas_follows_the_theme(seen: Any) -> None:
    assert seen["dark"]["light"] > 300
    assert seen["dark"]["scheme"] == "dark"


def test_axe_finds_no_violation(seen: Any) -> None:
    for look in ("faults", "panelFaults", "legendFaults", "pastFaults", "darkFaults"):
        assert seen[look] == [], look


def test_foreign_names_are_text(seen: Any) -> None:
    assert "<i>" not in seen["html"]
    assert "<img" not in seen["html"]
    assert "<script" not in seen["alone"]["html"] and "<b>x" not in seen["alone"]["html"]
    assert "\u202e" not in seen["alone"]["html"]
    assert "x" * 500 not in seen["alone"]["html"]


def test_a_notebook_without_a_kernel_shows_the_last_state(seen: Any) -> None:
    alone = seen["alone"]
    assert alone["problems"] == []
    assert "last known state" in alone["text"]
    assert not re.search(r"\blive\b", alone["text"], re.IGNORECASE), "nothing there is live"
    assert 'aria-valuetext="last known state"' in alone["html"]
    assert alone["refresh"] == "true"
    assert alone["slider"] is True
    assert alone["panel"].startswith("backend-1 \ufffdevil <script>")
    assert "desk &lt;i&gt;1&lt;/i&gt;" in seen["notebook"]
