"""The verbs that have to do with servers beyond the mesh: ``mesh`` and its second words."""

from __future__ import annotations

from .verb import SWITCH, Option, Verb

TYPES = ("openai", "anthropic", "gemini", "continuum_router", "backend_ai_go", "backend_ai_cluster")

_KEY = (
    Option(("--key-env",), "environment variable that holds its key, or the secret key of a cluster"),
    Option(("--ask",), "be asked for its key", "flag"),
)
_USE = (
    Option(("--in-routing",), "whether requests go there", choices=SWITCH),
    Option(("--priority",), "lower comes first where the policy is priority", "int"),
    Option(("--weight",), "its share of the requests, 1 is the usual", "number"),
    Option(("--slots",), "requests from here that run there side by side", "int"),
    Option(("--share",), "whether paired nodes may use it", choices=SWITCH),
)
_CLUSTER = (
    Option(("--access-key",), "of the key pair that a cluster gave"),
    Option(("--domain",), "of a cluster"),
    Option(("--version",), "of a cluster's API, such as v9.20250722"),
)
_FORCE = Option(("--force",), "even if it does not work now", "flag")

CONNECTIONS = (
    Verb("mesh", "this node, the paired ones and the connections, in one table", "connections:mesh"),
    Verb("mesh list", "the connections to servers beyond the mesh", "connections:listed"),
    Verb(
        "mesh add",
        "test a connection to another server, router, cluster or cloud, and keep it",
        "connections:add",
        "NAME",
        (
            Option(("--type",), "what it is; openai without it", choices=TYPES),
            *_KEY,
            Option(("--models",), "use only these, with commas between"),
            *_USE,
            *_CLUSTER,
            _FORCE,
        ),
        more="[URL]",
    ),
    Verb("mesh show", "all about one connection", "connections:show", "NAME", source="connections"),
    Verb(
        "mesh update",
        "change a connection; another address or key is tested first",
        "connections:update",
        "NAME",
        (
            Option(("--url",), "where it is"),
            *_KEY,
            Option(("--no-key",), "forget its key", "flag"),
            *_USE,
            *_CLUSTER,
            _FORCE,
        ),
        source="connections",
    ),
    Verb(
        "mesh remove", "forget a connection and its key", "connections:remove", "NAME", source="connections"
    ),
    Verb(
        "mesh toggle",
        "switch a connection on or off",
        "connections:toggle",
        "NAME",
        source="connections",
        more="[on|off]",
    ),
    Verb(
        "mesh health",
        "test a connection hop by hop, or all of them",
        "connections:health",
        "[NAME]",
        source="connections",
    ),
    Verb(
        "mesh models",
        "the models that a connection lists",
        "connections:models",
        "NAME",
        source="connections",
    ),
    Verb(
        "mesh select-models",
        "use only these models of a connection, or all again",
        "connections:select",
        "NAME",
        (Option(("--all",), "use every model that it lists", "flag"),),
        source="connections",
        more="[MODEL ...]",
    ),
)
