"""What real models gain from the router: a caller's fair share, and prompts that are not read again."""

from __future__ import annotations

from . import chats, fairness
from .group import Group, Progress
from .results import Table, aims


def measure(progress: Progress) -> list[Table]:
    """Two callers at one node, then chats over two."""
    fair, of_fair = fairness.tables(progress)
    read, of_read = chats.tables(progress)
    return [fair, read, aims([*of_fair, *of_read])]


METHOD = f"""\
SmolLM2-135M in llama.cpp. One caller has {fairness.QUEUED} requests of {fairness.CROWD_TOKENS} tokens
under way at a node with {fairness.SLOTS} slots; another asks a short question now and then,
{fairness.SINGLES} times in each of {fairness.RUNS} runs, each with a prompt that nobody read before. Once
two callers are known the one with more keeps a slot free for others; the very first request of the second
caller comes before that, so it waits for a slot. The chats go over two nodes on two hosts, {chats.SLOTS}
slots each, one turn after another, the turns of several chats in random order; counted is what llama.cpp
itself says that it has read of the prompts."""

GROUP = Group(
    name="sharing",
    title="Callers and chats",
    method=METHOD,
    bound=900,
    measure=measure,
)
