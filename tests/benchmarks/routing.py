"""The router before servers that compute nothing: where it sends requests, and what deciding costs."""

from __future__ import annotations

from . import deciding, erring, speeds
from .group import Group, Progress
from .results import Table, aims


def measure(progress: Progress) -> list[Table]:
    """A failing server, two speeds, and the price of a decision."""
    failing, of_failing = erring.tables(progress)
    fast, of_fast = speeds.tables(progress)
    costs, of_costs = deciding.tables(progress)
    return [failing, fast, *costs, aims([*of_failing, *of_fast, *of_costs])]


_LOW, _HIGH = speeds.PROMPTS
_SLOW, _FAST = speeds.SLOW.speed, speeds.FAST.speed
METHOD = f"""\
A headless node with connections to servers that compute nothing but keep time as llama-server does:
slots, a speed of reading and one of writing. All requests go through the node, over HTTP. Where one
server fails, {erring.REQUESTS} go to a node that was just started and knows nothing; the pauses of its
breaker double, so that a batch which takes longer tries that server more often. The batches over two
speeds have prompts of {_LOW} to {_HIGH:,} tokens and answers of {speeds.ANSWERS[0]} to
{speeds.ANSWERS[1]}, all sent at once to {speeds.SLOTS} slots of {_SLOW:,.0f} tokens/s and {speeds.SLOTS}
of {_FAST:,.0f}. Their bound is all the work over all the slots, which no schedule can beat; the
longest-first schedule knows every length and speed before it begins. A decision is timed on its own,
without HTTP, in a catalogue full of loads, measurements and remembered prompts."""

GROUP = Group(
    name="routing",
    title="Routing",
    method=METHOD,
    bound=420,
    measure=measure,
)
