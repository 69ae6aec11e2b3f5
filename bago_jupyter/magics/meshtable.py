"""The verbs that have to do with other nodes."""

from __future__ import annotations

from .verb import SWITCH, Option, Verb

ON = Option(("--on",), "do it on this paired node", source="nodes")

_SET = (
    Option(("--priority",), "lower comes first where the policy is priority", "int"),
    Option(("--weight",), "its share of the requests, 1 is the usual", "number"),
    Option(("--max-load",), "percent of its slots up to which requests go there", "int"),
    Option(("--in-routing",), "whether requests go there", choices=SWITCH),
    Option(("--allow-control",), "whether it may load, unload and pull models here", choices=SWITCH),
)

_KEY = (
    Option(("--ttl",), "seconds until it expires; 600 without it", "number"),
    Option(("--interface",), "put only the addresses of this network interface into it"),
    Option(("--name",), "name that it carries; this node's without it"),
    Option(("--revoke",), "make the key with this id useless, instead of a new one", source="keys"),
)

_TEAM = (
    Option(("--key-env",), "environment variable that holds the team key"),
    Option(("--ask",), "be asked for the team key", "flag"),
    Option(("--leave",), "leave the team, and the nodes that it brought", "flag"),
    Option(("--suggest",), "print a new team key (in a terminal only)", "flag"),
)

MESH = (
    Verb("discover", "the nodes that announce themselves on the network", "pairing:discover"),
    Verb(
        "key", "show a connection key: whoever types or scans it is paired, once", "pairing:key", options=_KEY
    ),
    Verb("keys", "the connection keys that were given out", "pairing:keys"),
    Verb(
        "connect",
        "pair by a connection key; without one it asks, so that the key is not stored in the notebook",
        "pairing:connect",
        "[KEY]",
        (
            Option(
                ("--request",), "ask this discovered node's owner instead of using a key", source="discovered"
            ),
        ),
    ),
    Verb("requests", "requests for a connection, of others and of this node", "requests:requests"),
    Verb("approve", "let a node that asks connect", "requests:approve", "NODE", source="incoming"),
    Verb("refuse", "turn down a node that asks", "requests:refuse", "NODE", source="incoming"),
    Verb("confirm", "pair with a node that approved", "requests:confirm", "NODE", source="outgoing"),
    Verb("cancel", "withdraw a request of this node", "requests:cancel", "NODE", source="outgoing"),
    Verb(
        "nodes",
        "the paired nodes",
        "nodes:nodes",
        "[NODE]",
        (Option(("--history",), "every change of their state, with its reason", "flag"),),
        source="nodes",
    ),
    Verb("nodes show", "all about one node", "nodes:show", "NODE", source="nodes"),
    Verb("nodes ping", "how long a node takes to answer", "nodes:ping", "NODE", source="nodes"),
    Verb(
        "nodes test",
        "ask a model of a node for one token, step by step",
        "nodes:test",
        "NODE",
        source="nodes",
    ),
    Verb("nodes retry", "look for a node now", "nodes:retry", "NODE", source="nodes"),
    Verb("nodes remove", "unpair a node; it is told", "nodes:remove", "NODE", source="nodes"),
    Verb("nodes set", "change how a node is used", "nodes:change", "NODE", _SET, source="nodes"),
    Verb(
        "advertise",
        "announce this node on the network",
        "network:advertise",
        options=(Option(("--name",), "the name that others see"),),
        switch=True,
    ),
    Verb("discovery", "listen for other nodes", "network:discovery", switch=True),
    Verb(
        "external",
        "let plain OpenAI clients of other machines in",
        "network:external",
        options=(Option(("--api-key-env",), "environment variable that holds the key clients must send"),),
        switch=True,
    ),
    Verb("team", "join the nodes that share a team key on sight", "network:team", options=_TEAM),
    Verb(
        "share", "whether paired nodes may use a model", "network:share", "MODEL", source="own", switch=True
    ),
)
