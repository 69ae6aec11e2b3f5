"""What nodes of one name are called."""

from __future__ import annotations

import pytest

from bago_jupyter.mesh.naming import key_of, shown

BOB, EVE, CYD = (f"fp_{digits * 8}" for digits in ("0b0b0b0b", "eeeeeeee", "cdcdcdcd"))


@pytest.mark.parametrize(
    ("peers", "taken", "called"),
    [
        ({BOB: "bob", EVE: "eve"}, ["ada"], ["bob", "eve"]),
        ({BOB: "bob", EVE: "ada"}, ["ada"], ["bob", "ada-eeeeeeee"]),
        ({BOB: "bob", EVE: "Bob"}, ["ada"], ["bob-0b0b0b0b", "Bob-eeeeeeee"]),
        ({EVE: "cloud"}, ["ada", "Cloud"], ["cloud-eeeeeeee"]),
        ({BOB: "b", EVE: "b", CYD: "b-eeeeeeee"}, [], ["b-0b0b0b0b", "b-eeeeeeee", "b-eeeeeeee-cdcdcdcd"]),
        ({}, ["ada", "ada"], []),
    ],
)
def test_names_that_clash_are_told_apart(peers: dict[str, str], taken: list[str], called: list[str]) -> None:
    names = shown(peers, taken)
    assert list(names.values()) == called
    assert len({name.casefold() for name in names.values()}) == len(peers)


def test_what_counts_is_more_than_what_is_shown() -> None:
    assert key_of(BOB) == "0b0b0b0b" * 4
