"""Prefixes: a chat that goes on is recognised, another one is not."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.router import Affinity, prefix_of
from bago_jupyter.router.affinity import BLOCKS, COARSE, FINE, FINE_BLOCKS, KEPT, tokens


def chat(*contents: str) -> bytes:
    return json.dumps([{"role": "user", "content": text} for text in contents]).encode()


def test_a_chat_that_goes_on_repeats_the_beginning() -> None:
    first, second = chat("a" * 3000), chat("a" * 3000, "b" * 3000)
    assert prefix_of(second)[: len(prefix_of(first))] == prefix_of(first)
    assert len(prefix_of(second)) > len(prefix_of(first)) == 5


def test_another_beginning_or_system_prompt_shares_nothing() -> None:
    text = chat("a" * 3000)
    assert not set(prefix_of(text)) & set(prefix_of(b" " + text))
    assert not set(prefix_of(text)) & set(prefix_of(text, seed=b'"be brief"'))


def test_short_prompts_have_none_and_long_ones_a_bounded_number() -> None:
    assert prefix_of(b"x" * (FINE - 1)) == ()
    assert len(prefix_of(b"x" * 50_000_000)) == BLOCKS
    assert tokens(FINE_BLOCKS + 2) == (FINE_BLOCKS * FINE + 2 * COARSE) // 4


def test_it_knows_how_much_each_backend_has_read() -> None:
    affinity, prefix = Affinity(), tuple(range(10))
    affinity.remember("a", "m", prefix[:4])
    affinity.remember("b", "m", prefix)
    assert affinity.warm("a", "m", prefix) == tokens(4)
    assert affinity.warm("b", "m", prefix) == tokens(10)
    assert affinity.warm("b", "other", prefix) == affinity.warm("c", "m", prefix) == 0
    affinity.forget("b")
    assert affinity.warm("b", "m", prefix) == 0


def test_what_was_read_longest_ago_makes_room() -> None:
    affinity = Affinity()
    affinity.remember("a", "m", (1, 2, 3))
    for number in range(KEPT // 100 + 1):
        affinity.remember("a", "m", tuple(range(1000 + number * 100, 1100 + number * 100)))
    assert affinity.warm("a", "m", (1, 2, 3)) == 0
    assert all(len(seen) <= KEPT for seen in affinity._seen.values())


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(1, 30)), max_size=60))
def test_it_finds_the_longest_prefix_as_a_plain_search_does(history: list[Any]) -> None:
    affinity, given_to = Affinity(), {"a": set(), "b": set()}
    for backend, chat_number, length in history:
        prefix = tuple(chat_number * 100 + block for block in range(length))
        affinity.remember(backend, "m", prefix)
        given_to[backend] |= {prefix[: n + 1] for n in range(length)}
    for chat_number in range(4):
        whole = tuple(chat_number * 100 + block for block in range(30))
        for backend in "ab":
            longest = max((n for n in range(31) if whole[:n] in given_to[backend]), default=0)
            assert affinity.warm(backend, "m", whole) == tokens(longest)
