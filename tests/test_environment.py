"""What the environment of a node may do to it: proxies that are gone, forks, strict warnings, a low stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from headless import Headless, environ
from kernels import Kernel

NOWHERE = "http://127.0.0.1:9"
PROXIES = {name: NOWHERE for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy")}
PATIENCE = 120.0

UP = """
import sys, httpx, bago_jupyter as bago

node = bago.up(name="ada", port=0)
{between}
try:
    found = node.models(), node.status(), node.nodes(), node.connections(), node.topology(), node.log()
    answer = httpx.get(f"{{node.base_url}}/models", trust_env=False)
    print(found[1].name, answer.status_code)
finally:
    assert bago.down()
"""


def python(code: str, home: Path, *options: str) -> str:
    """What a process of its own prints; nothing may stand on its stderr."""
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        env=environ(home),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.strip()


def test_where_warnings_are_errors(tmp_path: Path) -> None:
    assert python(UP.format(between=""), tmp_path / "home", "-W", "error") == "ada 200"


def test_with_little_stack(tmp_path: Path) -> None:
    """The limit is one for all threads: a cell that lowers it lowers it for the node beside it."""
    assert python(UP.format(between="sys.setrecursionlimit(200)"), tmp_path / "home") == "ada 200"


def test_proxies_that_are_gone_are_not_asked(
    tmp_path: Path, starter_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in PROXIES.items():
        monkeypatch.setenv(name, value)
    other = node = None
    try:
        other = Headless(tmp_path / "other", "bob", starter_gguf)
        node = Headless(tmp_path / "home", "ada", starter_gguf)
        said = node.must("chat", "-m", "smol", "Say hi.", "--max-tokens", "4")
        assert said.strip(), "the runner answered"
        url = other.client.url
        node.must("mesh", "add", "--type", "openai", "gpu", url)
        assert node.must("chat", "-m", "gpu/smol", "Say hi.", "--max-tokens", "4").strip()
        assert "smol" in node.must("mesh", "models", "gpu")
    finally:
        for each in (node, other):
            if each is not None:
                each.close()


FORKS = """
import multiprocessing, os, warnings
warnings.simplefilter("ignore")  # Python 3.12 warns of any fork beside threads

def square(x):
    return x * x

with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(square, range(20)) == [x * x for x in range(20)]
child = os.fork()
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("forked")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks only")
def test_a_cell_that_forks_beside_a_node(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path / "home")
    try:
        kernel.must("%load_ext bago_jupyter")
        kernel.must("%bago up --name ada")
        before = json.loads(kernel.must(LOOK).text)
        assert kernel.must(FORKS).text.strip() == "forked"
        assert json.loads(kernel.must(LOOK).text) == before, "the node is as it was"
        assert kernel.must("%bago down").text.strip() == "The node is down."
    finally:
        kernel.close()


LOOK = """
import json, httpx, bago_jupyter as bago
node = bago.node()
print(json.dumps([node.status().pid, node.status().port, httpx.get(f"{node.base_url}/models").status_code]))
"""

CHILD = """
import os, sys, warnings, bago_jupyter as bago
from bago_jupyter import launch
warnings.simplefilter("ignore")
node = bago.up(name="ada", port=0)
child = os.fork()
if not child:
    assert bago.node().status().pid == os.getppid()  # over its port, as any other process
    assert not bago.down(), "it is not this process's to end"
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
look = "from bago_jupyter import launch, settings, state\\n"
look += "print(launch._is_free(state.Home(settings.Settings.load().home)))"
import subprocess
print(node.status().name, subprocess.check_output([sys.executable, "-c", look], text=True).strip())
assert bago.down()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks only")
def test_a_forked_child_has_no_part_in_its_parents_node(tmp_path: Path) -> None:
    assert python(CHILD, tmp_path / "home") == "ada False"
