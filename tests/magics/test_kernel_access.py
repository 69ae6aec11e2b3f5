"""A notebook that gives out API keys, names routes, and is told apart from others."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx
from headless import until
from kernels import Kernel


def test_a_key_of_a_notebook_goes_to_a_file_only(kernel: Kernel, tmp_path: Path) -> None:
    kernel.must("%bago up --name alpha")
    assert "no named API key" in kernel.must("%bago apikeys").text
    refused = kernel.run("%bago apikeys add laptop")
    assert refused.reply["ename"] == "Usage" and "--to-file" in refused.error
    assert kernel.node().api_keys() == []

    path = tmp_path / "laptop key"
    shown = [kernel.must(f"%bago apikeys add laptop --to-file '{path}'"), kernel.must("%bago apikeys")]
    key = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key.startswith("bago-sk-") and path.read_text() == f"{key}\n"
    assert "not since the node started" in shown[1].text
    url = kernel.node().url
    headers = {"authorization": f"Bearer {key}"}
    assert httpx.post(f"{url}/v1/chat/completions", json={"model": "x"}, headers=headers).status_code == 404
    assert kernel.node().why().caller == "key:laptop"
    shown.append(kernel.must("%bago apikeys"))
    assert "ago" in shown[-1].text
    until(lambda: "%bago apikeys remove laptop" in kernel.complete("%bago apikeys remove "))

    for line, said in (
        (f"laptop --to-file '{tmp_path}/other'", "already"),
        (f"desktop --to-file '{path}'", "is there already"),
        (f"desktop --to-file '{tmp_path}/none/key'", "Cannot write"),
    ):
        shown.append(kernel.run(f"%bago apikeys add {line}"))
        assert said in shown[-1].error
    assert not (tmp_path / "other").exists()
    assert path.read_text() == f"{key}\n"
    assert [info.name for info in kernel.node().api_keys()] == ["laptop"]

    shown.append(kernel.must("%bago apikeys remove laptop"))
    assert kernel.node().api_keys() == []
    seen = str(shown) + str(kernel.value("str(In) + str(Out) + str(vars())"))
    assert "laptop" in seen and "bago-sk-" not in seen and key.removeprefix("bago-sk-") not in seen
    assert key not in (kernel.home / "node.log").read_text()


def test_a_notebook_is_a_caller_by_its_name_else_by_its_kernel(kernel: Kernel) -> None:
    kernel.must("%bago up --name alpha")
    assert "No node has" in kernel.run("%bago chat -m none Hi").error
    id = Path(kernel.manager.connection_file).stem.removeprefix("kernel-")
    assert len(id) >= 8
    assert kernel.node().why().caller == f"notebook:{id}"
    kernel.must("%bago down")
    kernel.must("import os, bago_jupyter; os.environ['JPY_SESSION_NAME'] = '/home/ada/\u00dcbung 1.ipynb'")
    kernel.must("%bago up --name alpha")
    kernel.run("%bago chat -m none Hi")
    assert "notebook:\u00dcbung 1.ipynb" in kernel.must("bago_jupyter.node().why().caller").text


def test_routes_are_set_listed_completed_and_removed(kernel: Kernel) -> None:
    kernel.must("%bago up --name alpha")
    assert "%bago route set NAME" in kernel.must("%bago route").text
    said = kernel.must("%bago route set code beta/big else tiny").text
    assert "code leads to beta/big, else tiny." in said
    assert "Nobody offers beta/big or tiny at present" in said
    (table,) = kernel.must("%bago route").outputs
    assert "<td>beta/big, else tiny</td>" in table["data"]["text/html"]
    until(lambda: "%bago route remove code" in kernel.complete("%bago route remove "))
    until(lambda: "%bago chat -m code" in kernel.complete("%bago chat -m c"))
    assert "needs a model" in kernel.run("%bago route set code").error
    assert "needs a model" in kernel.run("%bago route set code else").error
    assert "itself only" in kernel.run("%bago route set code code").error
    assert "is removed" in kernel.must("%bago route remove code").text
    assert "There is no route 'code'" in kernel.run("%bago route remove code").error
