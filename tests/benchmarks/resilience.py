"""What goes away in the middle: a node, and a client."""

from __future__ import annotations

from . import cancelling, killing
from .group import Group, Progress
from .results import Table, aims


def measure(progress: Progress) -> list[Table]:
    """A killed node, then clients that give up."""
    killed, of_killed = killing.tables(progress)
    cancelled, of_cancelled = cancelling.tables(progress)
    return [killed, cancelled, aims([*of_killed, *of_cancelled])]


_SERVER = killing.SERVER
METHOD = f"""\
Hosts are network namespaces, each with a node of its own. Three nodes lend each other servers that
compute nothing, {_SERVER.slots} slots each; a client of the first keeps {killing.STREAMS} streams open
over all three (`{killing.POLICY}`), and {killing.KILL_AT:.0f} s later one of the others is killed. A
stream takes {_SERVER.seconds(killing.PROMPT, killing.ANSWER):.1f} s,
{_SERVER.seconds(killing.PROMPT, 0):.1f} s of them to its first byte. What had begun on the killed node
breaks, and must end with an error event; everything else must be answered. The clients that give up ask
one node for a model of another, where llama.cpp answers, as the other's runner or as a server of its own
that the other lends."""

GROUP = Group(
    name="resilience",
    title="What goes away in the middle",
    method=METHOD,
    bound=240,
    measure=measure,
)
