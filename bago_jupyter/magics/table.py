"""Every verb of the magic as data: parsing, help and completion all read this table."""

from __future__ import annotations

from .meshtable import MESH, ON
from .verb import Option, Source, Verb

__all__ = ["VERBS", "Option", "Source", "Verb"]

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
    ON,
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
        Verb("models", "the models of the library and of other nodes", "models:models"),
        Verb(
            "pull",
            "bring a model into the library: a starter, a path, a URL or hf:org/repo/file",
            "models:pull",
            "SOURCE",
            (
                Option(("--name",), "name it gets in the library"),
                Option(("--sha256",), "digest that the file must have"),
                ON,
            ),
            source="starters",
        ),
        Verb("load", "load a model now", "models:load", "MODEL", _LOAD, source="models"),
        Verb("unload", "free the memory of a model", "models:unload", "MODEL", (ON,), source="models"),
        Verb("chat", "ask a model", "chat:chat", "[PROMPT]", _CHAT, rest=True, cell=True),
        Verb("reset", "forget the conversation of this notebook", "chat:reset"),
        Verb("why", "why a request went where it went", "why:why", "[ID]"),
        Verb(
            "log",
            "the last lines of the node's log",
            "node:log",
            options=(Option(("-n", "--lines"), "how many", "int"),),
        ),
        *MESH,
        Verb("help", "this list, or one verb", "help:help", "[VERB]", source="verbs"),
    )
}
