"""``%bago stats``: what may be asked, and the table of a real node."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from headless import Headless, until
from kernels import Kernel

from bago_jupyter.magics.parse import Given, parse
from bago_jupyter.magics.quiet import Usage
from bago_jupyter.magics.verbs.stats import grouping, span


def given(line: str) -> Given:
    return parse(f"stats {line}")


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("", 86400),
        ("--since 90m", 5400),
        ("--since 24h", 86400),
        ("--since=7d", 7 * 86400),
        ("--since 1.5H", 5400),
        ("--since '2 w'", 14 * 86400),
        ("--since 30s", 30),
    ],
)
def test_since(line: str, seconds: float) -> None:
    assert span(given(line)) == seconds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("24hours", "such as 90m, 24h or 7d, not '24hours'. Did you mean 24h?"),
        ("7days", "Did you mean 7d?"),
        ("yesterday", "such as 90m, 24h or 7d, not 'yesterday'."),
        ("24", "such as 90m, 24h or 7d, not '24'."),
        ("0h", "at most 400d"),
        ("2000d", "at most 400d"),
    ],
)
def test_a_bad_since_gets_one_sentence(text: str, said: str) -> None:
    with pytest.raises(Usage) as caught:
        span(given(f"--since {text}"))
    assert str(caught.value).endswith(said) or said in str(caught.value)


def test_by() -> None:
    assert grouping(given("")) == ("model", "node")
    assert grouping(given("--by caller")) == ("caller",)
    assert grouping(given("--by dialect,model --by node,model")) == ("dialect", "model", "node")
    with pytest.raises(Usage, match=r"--by does not know 'nodes'\. Did you mean node\?"):
        grouping(given("--by model,nodes"))


def test_a_notebook_sees_its_own_requests_and_keeps_them(chatty: Kernel) -> None:
    chatty.must("%bago chat -m smol --max-tokens 4 Hi")
    (table,) = chatty.must("%bago stats --since 90m --to rows").outputs
    text, rich = table["data"]["text/plain"], table["data"]["text/html"]
    head, line = text.splitlines()[0], text.splitlines()[1]
    assert re.split(r"\s{2,}", head)[:4] == ["model", "node", "requests", "failed"]
    assert re.match(r"smol +testnode +\d+ +0% ", line) and re.search(r"[▁▂▃▄▅▆▇█]{20,24}$", line)
    assert "<td>testnode</td>" in rich
    (row,) = chatty.value("rows")
    assert row["model"] == "smol" and row["requests"] >= 1 and row["completion_tokens"] > 0
    assert set(map(type, row.values())) <= {str, int, float, type(None)} and "caller" not in row
    assert "stats" in chatty.must("%bago help").text
    assert "%bago stats --since" in chatty.complete("%bago stats --s")
    refused = chatty.run("%bago stats --since 24hours")
    assert not refused.ok and "Did you mean 24h?" in refused.error
    assert "Did you mean model?" in chatty.run("%bago stats --by modle").error


def test_numbers_survive_the_end_of_a_kernel(tmp_path: Path, starter_gguf: Path) -> None:
    """A kernel ends in ``atexit``, where no thread can be begun any more."""
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    (home / "models" / "smol.gguf").symlink_to(starter_gguf)
    assert asked_in_a_kernel(home, "%bago chat -m smol --max-tokens 2 Hi") == 0
    assert asked_in_a_kernel(home) == 1


def asked_in_a_kernel(home: Path, *cells: str) -> int:
    """The requests that a new kernel's node knows of; then it runs ``cells`` and is told to end."""
    kernel = Kernel(home)
    try:
        kernel.must("%load_ext bago_jupyter")
        kernel.must("%bago up --name here --context-length 512")
        count = sum(row.requests for row in kernel.node().stats())
        for cell in cells:
            kernel.must(cell)
        kernel.client.shutdown()
        until(lambda: not kernel.manager.is_alive())
        return count
    finally:
        kernel.close()


def test_the_command_line(tmp_path: Path, starter_gguf: Path) -> None:
    node = Headless(tmp_path / "alpha", "alpha", starter_gguf)
    try:
        assert node.must("stats").strip() == "Nothing was asked within 24h."
        node.must("chat", "-m", "smol", "--max-tokens", "2", "Hi")
        (row,) = json.loads(node.must("stats", "--by", "dialect,node", "--json"))
        assert (row["dialect"], row["node"], row["requests"], row["ok"]) == ("chat", "alpha", 1, 1)
        assert "alpha" in node.must("stats", "--by", "node", "--since", "7d")
        assert "Did you mean dialect?" in node.cli("stats", "--by", "dialekt").stderr
    finally:
        node.close()
