"""``js/src/wire.ts`` says the same as ``bago_jupyter/wire``."""

from __future__ import annotations

import re
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from bago_jupyter import wire

SOURCE = (Path(__file__).parents[2] / "js" / "src" / "wire.ts").read_text("utf-8")
INTERFACES = {
    name: dict(re.findall(r"^  (\w+): (.+);$", body, re.MULTILINE))
    for name, body in re.findall(r"^export interface (\w+) \{\n(.*?)^\}", SOURCE, re.MULTILINE | re.DOTALL)
}
UNIONS = dict(re.findall(r"^export type (\w+) =[\s|]*(.+?);", SOURCE, re.MULTILINE | re.DOTALL))


def spell(annotation: Any) -> str:
    """A Python type as TypeScript."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return spell(arguments[0])
    if origin is Literal:
        return " | ".join(f'"{value}"' for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(spell, arguments))
    if origin is list:
        return spell(arguments[0]) + "[]"
    simple = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
    return simple.get(annotation) or annotation.__name__


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_an_interface_has_the_fields_of_its_message(name: str) -> None:
    message = getattr(wire, name)
    expected = {field.name: spell(field.type) for field in msgspec.structs.fields(message)}
    found = {
        key: " | ".join(UNIONS.get(part, part) for part in kind.split(" | "))
        for key, kind in INTERFACES[name].items()
    }
    assert {key: " ".join(kind.split()) for key, kind in found.items()} == expected
    assert list(found) == list(expected)


def test_what_the_card_shows_is_mirrored() -> None:
    assert {"Status", "RunnerInfo", "EngineInfo", "Counts"} <= set(INTERFACES)
