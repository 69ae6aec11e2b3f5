"""Nodes that find, connect, change and leave each other, as a person does it in JupyterLab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import segno
from headless import Headless, until
from manager import ACCESS_KEY, SECRET_KEY, Manager, ModelService

from bago_jupyter.client import NodeClient
from bago_jupyter.loops import LoopThread
from bago_jupyter.state import Home

STUDY, ATTIC, CELLAR = "study", "attic <i>1</i>", "cellar"
API_KEY = "sk-of-the-cloud-0123456789"
ODD = "odd<b>1</b>"


@pytest.fixture
def nodes(tmp_path: Path, starter_gguf: Path) -> Iterator[tuple[Headless, Headless]]:
    """Two nodes that announce themselves; the second has a model."""
    made: list[Headless] = []
    try:
        for home, name, model in (("attic", ATTIC, None), ("cellar", CELLAR, starter_gguf)):
            made.append(Headless(tmp_path / home, name, model))
            made[-1].client.configure(advertise=True, name=name)
        yield made[0], made[1]
    finally:
        for node in made:
            node.close()


@pytest.fixture
def manager() -> Iterator[Manager]:
    """A cluster with three models."""

    async def answer(call: Any) -> None:
        await call.json(b"{}")

    loop = LoopThread()
    made = Manager(ModelService("service", ["alpha", "beta", ODD], answer))
    loop.run(made.__aenter__(), 10)
    yield made
    loop.run(made.__aexit__(), 10)
    loop.stop()


def film(text: str, path: Path) -> None:
    """A still film (YUV4MPEG2) of the QR code of ``text``, as a camera would see it."""
    matrix = [list(row) for row in segno.make(text, micro=False, error="m").matrix]
    size, width, height = 5, 640, 480
    side = len(matrix) * size
    left, top = (width - side) // 2, (height - side) // 2
    luma = bytearray(b"\xc8" * (width * height))
    for y in range(side):
        for x in range(side):
            if matrix[y // size][x // size]:
                luma[(top + y) * width + left + x] = 30
    frame = b"FRAME\n" + luma + b"\x80" * (width * height // 2)
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + frame * 2)


def test_nodes_in_jupyterlab(
    lab: Any, nodes: tuple[Headless, Headless], manager: Manager, tmp_path: Path
) -> None:
    attic, cellar = nodes
    filmed = cellar.client.make_key()
    film(filmed.text or "", tmp_path / "film.y4m")
    cellar.client.configure(api_key=API_KEY)
    release = tmp_path / "release"
    settings = lab.root / "jupyterlab_settings_dir" / "@jupyter-widgets" / "jupyterlab-manager"
    settings.mkdir(parents=True)
    (settings / "plugin.jupyterlab-settings").write_text('{"saveState": true}')
    views = [f"NodesView(NodeClient(Home(Path({str(node.home)!r})).read_node()))" for node in nodes]
    lab.notebook(
        "from pathlib import Path\nfrom bago_jupyter import launch\n"
        "from bago_jupyter.client import NodeClient\nfrom bago_jupyter.state import Home\n"
        "from bago_jupyter.widgets import NodesView\n"
        f"node = launch.up(port=0, name={STUDY!r})\nNodesView(node)",
        *views,
        f"import os, time\nwhile not os.path.exists({str(release)!r}): time.sleep(0.05)",
    )
    seen = lab.drive(
        "nodes.mjs",
        names=[STUDY, ATTIC, CELLAR],
        scratch=str(tmp_path),
        film=str(tmp_path / "film.y4m"),
        cloud=cellar.client.status().url,
        cloudKey=API_KEY,
        manager=manager.url,
        accessKey=ACCESS_KEY,
        secretKey=SECRET_KEY,
        oddModel=ODD,
        changed=str(tmp_path / "changed"),
        release=str(release),
    )
    assert "failed" not in seen, seen["failed"]
    assert seen["problems"] == []
    found(seen)
    connected(seen, attic)
    changed(seen)
    photographed(seen)
    asked(seen)
    beyond(seen)
    altered(seen)
    clustered(seen)
    assert "expires in 59 min" in seen["longKey"]
    assert "*" in seen["promptWhileServed"], "the clicks were served only after the cell"
    keys = {name: seen[name] for name in ("keyText", "pngKey", "svgKey", "openKey", "newKey", "newerKey")}
    assert seen["lateKey"].startswith("bago://") and seen["lateKey"] not in seen["expired"]
    keys["filmed"] = filmed.text or ""
    nothing_stays(seen, keys, lab.root / "work")
    for faults in ("faults", "dialogFaults", "connectionFaults", "choiceFaults", "darkFaults"):
        assert seen[faults] == [], faults
    study = NodeClient(Home(lab.root / "home").read_node())  # type: ignore[arg-type]
    with study:
        given = study.keys()
        assert [key.state for key in given] == ["open", "revoked", "revoked", "open"]
        assert study.connections() == []


def found(seen: dict[str, Any]) -> None:
    columns = ("Name and address", "Version", "Engines", "Models", "Accelerator")
    assert all(column in seen["columns"] for column in columns)
    cells = seen["row"].split()
    assert seen["row"].startswith(ATTIC) and "llama.cpp" in cells and "0" in cells
    assert any(cell.rpartition(":")[2].isdecimal() and ":" in cell for cell in cells), "no address"


def connected(seen: dict[str, Any], attic: Headless) -> None:
    assert seen["keyText"].startswith("bago://")
    for part in ("expires in 9 min", "Copy key", "New key instead", "Revoke", "It works once"):
        assert part in seen["keyPanel"]
    assert "connection key" in seen["badKey"] and seen["badKeyKept"] == "bago://nonsense"
    assert seen["about"].startswith(f"Key of {ATTIC} (") and f"not of {CELLAR}" in seen["about"]
    assert seen["focusReturned"] == "Add node"
    assert secret(seen["keyText"]) not in seen["afterUse"] and "<svg" not in seen["afterUse"]
    until(lambda: [node.name for node in attic.client.nodes()] == [STUDY])


def changed(seen: dict[str, Any]) -> None:
    for part in ("reached: ok", "shares no model"):
        assert part in seen["test"]
    assert "priority" in seen["badPriority"] and seen["badPriorityKept"] == "7.5"
    assert seen["priorityAgain"] == "5"
    assert seen["settings"] == ["5", "2.5", "50", False, True]
    assert "Remove" in seen["question"] and seen["stillThere"] == 1


def photographed(seen: dict[str, Any]) -> None:
    assert seen[f"qr of {ATTIC}"].startswith(f"Key of {ATTIC} (")
    assert seen[f"qr of {CELLAR}"].startswith(f"Key of {CELLAR} (")
    assert seen["film"].startswith(f"Key of {CELLAR} (") and seen["cameraOff"]


def asked(seen: dict[str, Any]) -> None:
    assert seen["asked"] == seen["asks"] and sum(map(str.isdigit, seen["asked"])) == 6


def beyond(seen: dict[str, Any]) -> None:
    assert "nothing listens there" in seen["badConnection"]
    assert seen["connectionKept"].endswith(":9/v1")
    for part in ("cloud", "OpenAI compatible", "healthy", "smol", "key: "):
        assert part in seen["cloud"]
    assert "key accepted: ok" in seen["hops"] and "models listed: ok" in seen["hops"]
    assert API_KEY not in seen["cloud"]


def altered(seen: dict[str, Any]) -> None:
    assert seen["forceOffered"], "a test that failed must offer to add it all the same"
    assert "--" not in seen["badConnection"]
    for part in ("Change cloud", "Forget its key", "OpenAI compatible"):
        assert part in seen["changing"]
    assert seen["unchanged"] == "Nothing is different yet."
    assert "give it again" in seen["otherPlace"] and not seen["notOffered"]
    assert "not changed: key accepted: no. It wants a key (401)" in seen["keyless"]
    assert "key: none" in seen["forced"] and not seen["noKeyToForget"]
    assert "key: none" not in seen["keyed"] and "smol" in seen["keyed"]


def clustered(seen: dict[str, Any]) -> None:
    assert "an access key and its secret key" in seen["keyPair"]
    assert "does not take the access key and secret key" in seen["mixedUp"]
    for part in ("Backend.AI cluster", f"Models: alpha, beta, {ODD}"):
        assert part in seen["lab"]
    assert seen["allOfThem"] == [True, True]
    assert "Models: beta (of 3)" in seen["chosen"]


def secret(key: str) -> str:
    """The part of a connection key that opens; in HTML the whole is written another way."""
    [found] = parse_qs(urlsplit(key).query)["s"]
    assert len(found) > 16
    return found


def nothing_stays(seen: dict[str, Any], keys: dict[str, str], work: Path) -> None:
    assert len(set(keys.values())) == len(keys), "the same key twice"
    assert secret(keys["openKey"]) not in seen["reloaded"], "a key is shown once"
    assert not any(secret(key) in seen["revoked"] for key in keys.values())
    saved = (work / "card.ipynb").read_text()
    assert "widget-state+json" in saved and "max_load_percent" in saved, "no state was saved"
    assert "Nodes of study" in saved
    for path in [path for path in work.rglob("*") if path.is_file()]:
        text = path.read_text()
        for hidden in [*map(secret, keys.values()), API_KEY, SECRET_KEY, ACCESS_KEY]:
            assert hidden not in text, path
