"""Every verb of the magic as data: parsing, help and completion all read this table."""

from __future__ import annotations

from .connectiontable import CONNECTIONS
from .meshtable import MESH, ON
from .verb import Option, Source, Verb

__all__ = ["VERBS", "Option", "Source", "Verb"]

_CHAT = (
    Option(
        ("-m", "--model"),
        "model that answers; without it one of this node, or else of another",
        source="models",
    ),
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

_STATS = (
    Option(("--by",), "model, node, caller or dialect; several with commas between", many=True),
    Option(("--since",), "how far back, such as 90m, 24h or 7d; 24h without it"),
    Option(("--to",), "variable that gets the rows as a list of dicts", "name", source="names"),
)

VERBS = {
    verb.name: verb
    for verb in (
        Verb("status", "the status card", "node:status"),
        Verb("up", "start a node here, or use the one that runs", "node:up", options=_UP, settings=True),
        Verb("down", "stop the node that runs here", "node:down"),
        Verb(
            "models",
            "the models of the library and of other nodes",
            "models:models",
            options=(
                Option(
                    ("--join",),
                    "name under which the weights with these digests are one model; without any they are "
                    "told apart again",
                    source="models",
                ),
            ),
            more="[DIGEST ...]",
        ),
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
        Verb("stats", "what was asked, and how it went", "stats:stats", options=_STATS),
        Verb("why", "why a request went where it went", "why:why", "[ID]"),
        Verb(
            "policy",
            "how a backend is chosen: balanced, round-robin, weighted, least-loaded, fastest or priority",
            "routing:policy",
            "[NAME]",
            source="policies",
        ),
        Verb(
            "drain",
            "let what is in flight end and nothing new begin here; peers and other backends take over",
            "routing:drain",
            options=(Option(("--wait",), "seconds to wait until nothing is in flight", "number"),),
            switch=True,
        ),
        Verb(
            "log",
            "the last lines of the node's log",
            "node:log",
            options=(Option(("-n", "--lines"), "how many", "int"),),
        ),
        *MESH,
        *CONNECTIONS,
        Verb("route", "the names that lead to a chain of models", "route:route"),
        Verb(
            "route set",
            "let a name lead to models, tried from left to right: code codellama else phi-3",
            "route:change",
            "NAME",
            more="TARGET [TARGET ...]",
            source="models",
        ),
        Verb("route remove", "forget a route", "route:remove", "NAME", source="routes"),
        Verb("apikeys", "the named API keys that clients may send", "apikeys:apikeys"),
        Verb(
            "apikeys add",
            "make an API key; it is shown once, or written to a file",
            "apikeys:add",
            "NAME",
            (Option(("--to-file",), "new file for the key, readable by you alone; a notebook needs one"),),
        ),
        Verb("apikeys remove", "make an API key worth nothing", "apikeys:remove", "NAME", source="apikeys"),
        Verb("ui", "the views of the node in tabs, or one of them alone", "views:ui", "[TAB]", source="tabs"),
        Verb("topology", "the mesh as a tree: who asks, what routes, who answers", "views:topology"),
        Verb("help", "this list, or one verb", "help:help", "[VERB]", source="verbs", rest=True),
    )
}
