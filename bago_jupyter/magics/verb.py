"""What a verb and an option of the magic are, as data."""

from __future__ import annotations

from typing import Literal, NamedTuple

Source = Literal[
    "",
    "models",
    "own",
    "starters",
    "verbs",
    "policies",
    "names",
    "nodes",
    "discovered",
    "incoming",
    "outgoing",
    "keys",
    "apikeys",
    "routes",
    "connections",
    "tabs",
]
"""What completes a value: models of the mesh or of this node, starters, verbs, variables of the notebook,
paired or discovered nodes, requests of others or of this node, ids of connection keys, names of API keys,
of routes and of connections, tabs of the views."""


class Option(NamedTuple):
    """One option of a verb; ``kind`` converts its value, ``flag`` takes none."""

    names: tuple[str, ...]
    help: str
    kind: Literal["text", "int", "number", "flag", "name"] = "text"
    choices: tuple[str, ...] = ()
    many: bool = False
    """Whether it may be given several times; the value is then a list."""
    source: Source = ""

    @property
    def key(self) -> str:
        """Its key among the parsed options: the long name with underscores."""
        return self.names[-1].lstrip("-").replace("-", "_")

    @property
    def metavar(self) -> str:
        if self.kind == "flag":
            return ""
        return "|".join(self.choices) or {"int": "N", "number": "X", "name": "VAR"}.get(self.kind, "TEXT")


SWITCH = ("on", "off")


class Verb(NamedTuple):
    """One verb: ``run`` is ``module:function`` under ``magics.verbs``, imported when first used.

    A name of two words is a verb of its own, listed with the first word's.
    """

    name: str
    help: str
    run: str
    argument: str = ""
    """Name of the positional argument; in brackets where it may be left out."""
    options: tuple[Option, ...] = ()
    rest: bool = False
    """Whether the argument is all the text after the options, as typed."""
    cell: bool = False
    """Whether it may stand at the head of a cell magic."""
    settings: bool = False
    """Whether every setting of the node is an option too."""
    source: Source = ""
    switch: bool = False
    """Whether ``on`` or ``off`` comes last; it is the option ``switch``, a truth value."""
    more: str = ""
    """Names of the words after the argument, however many come; they are the option ``more``, a list."""

    @property
    def synopsis(self) -> str:
        options = " ".join(
            f"[{' | '.join(option.names)}{' ' + option.metavar if option.metavar else ''}]"
            for option in self.options
        )
        more = "[--SETTING VALUE ...]" if self.settings else ""
        switch = "|".join(SWITCH) if self.switch else ""
        parts = ("%bago", self.name, options, more, self.argument, self.more, switch)
        return " ".join(part for part in parts if part)
