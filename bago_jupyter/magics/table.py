"""Every verb of the magic as data: parsing, help and completion all read this table."""

from __future__ import annotations

from typing import Literal, NamedTuple

Source = Literal["", "models", "starters", "verbs", "names"]
"""What completes a value: model ids, starters, verbs, or names of the notebook's variables."""


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


class Verb(NamedTuple):
    """One verb: ``run`` is ``module:function`` under ``magics.verbs``, imported when first used."""

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

    @property
    def synopsis(self) -> str:
        options = " ".join(
            f"[{' | '.join(option.names)}{' ' + option.metavar if option.metavar else ''}]"
            for option in self.options
        )
        more = "[--SETTING VALUE ...]" if self.settings else ""
        return " ".join(part for part in ("%bago", self.name, options, more, self.argument) if part)


_CHAT = (
    Option(("-m", "--model"), "model that answers; without it a loaded one", source="models"),
    Option(("--system",), "system prompt of this and the following chats, until reset"),
    Option(("--temperature",), "0 is the most predictable", "number"),
    Option(("--max-tokens",), "longest answer, in tokens", "int"),
    Option(("--top-p",), "share of the likeliest tokens to choose from", "number"),
    Option(("--seed",), "repeat an answer", "int"),
    Option(("--stop",), "end the answer before this text", many=True),
    Option(("--to",), "variable that gets the answer", "name", source="names"),
    Option(("-f", "--format"), "form of the answer", choices=("markdown", "text", "code", "json")),
    Option(("--no-history",), "neither send nor keep the conversation", "flag"),
    Option(("--reset",), "forget the conversation first", "flag"),
)

_LOAD = (
    Option(("--task",), "what the runner is for", choices=("generate", "embed", "rerank")),
    Option(("--context-length",), "tokens per slot", "int"),
    Option(("--gpu-layers",), "layers on the GPU; -1 is as many as fit", "int"),
    Option(("--slots",), "requests answered side by side", "int"),
)

_UP = (
    Option(("--in",), "where the node runs", choices=("thread", "kernel", "process")),
    Option(("--api-key-env",), "environment variable that holds the key clients must send"),
)

VERBS = {
    verb.name: verb
    for verb in (
        Verb("status", "the status card", "node:status"),
        Verb("up", "start a node here, or use the one that runs", "node:up", options=_UP, settings=True),
        Verb("down", "stop the node that runs here", "node:down"),
        Verb("models", "the models of the library", "models:models"),
        Verb(
            "pull",
            "bring a model into the library: a starter, a path, a URL or hf:org/repo/file",
            "models:pull",
            "SOURCE",
            (
                Option(("--name",), "name it gets in the library"),
                Option(("--sha256",), "digest that the file must have"),
            ),
            source="starters",
        ),
        Verb("load", "load a model now", "models:load", "MODEL", _LOAD, source="models"),
        Verb("unload", "free the memory of a model", "models:unload", "MODEL", source="models"),
        Verb("chat", "ask a model", "chat:chat", "[PROMPT]", _CHAT, rest=True, cell=True),
        Verb("reset", "forget the conversation of this notebook", "chat:reset"),
        Verb("why", "why a request went where it went", "why:why", "[ID]"),
        Verb(
            "log",
            "the last lines of the node's log",
            "node:log",
            options=(Option(("-n", "--lines"), "how many", "int"),),
        ),
        Verb("help", "this list, or one verb", "help:help", "[VERB]", source="verbs"),
    )
}
