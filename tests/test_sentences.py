"""What a node says is read in pages, cells, terminals and by programs: it names no option of one of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import bago_jupyter

HERE = Path(bago_jupyter.__file__).parent
FLOORS = ("api", "mesh", "connections", "backends", "engines", "relay", "discovery", "trust", "statistics")
FILES = ("core.py", "settings.py", "state.py", "errors.py", "identity.py", "sharedhost.py")
OPTION = re.compile(r"%bago|(?<![\w-])--[a-z]")
COMMANDS = ("-m ensurepip",)
"""Said to be typed as they are."""


def sentences(source: str) -> Iterator[str]:
    """The texts in ``source`` that are no docstrings."""
    tree = ast.parse(source)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def wrong(source: str) -> list[str]:
    found = [text for text in sentences(source) if " " in text.strip() and OPTION.search(text)]
    return [text for text in found if not any(command in text for command in COMMANDS)]


def test_a_node_names_no_option_of_a_face() -> None:
    paths = [path for floor in FLOORS for path in (HERE / floor).rglob("*.py")]
    paths += [HERE / name for name in FILES]
    assert len(paths) > 100
    assert {str(path): found for path in paths if (found := wrong(path.read_text("utf-8")))} == {}


def test_one_that_does_is_found() -> None:
    said = '"""Doc of --force."""\nraise E(f"{name} is not loaded; run %bago load {name}.")\nf("--quiet")'
    assert wrong(said) == [" is not loaded; run %bago load "]
    assert wrong('E("give it with --ask")') == ["give it with --ask"]
