"""Completion from what is known, without a node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bago_jupyter.magics.complete import candidates
from bago_jupyter.magics.known import Known, _ask
from bago_jupyter.magics.table import VERBS
from bago_jupyter.wire import ApiKeyInfo, KeyInfo, ModelInfo, NodeInfo, RequestInfo, RouteInfo

FINGERPRINT = "fp_" + "12345678" * 8


def model(id: str) -> ModelInfo:
    return ModelInfo(id=id, state="ready")


def request(direction: Any, name: str) -> RequestInfo:
    return RequestInfo(
        id="r1", direction=direction, name=name, fingerprint=FINGERPRINT, code="1", state="waiting", since=0
    )


CLIENT: Any = SimpleNamespace(
    models=lambda: [model("own"), model("smol")],
    nodes=lambda: [
        NodeInfo(fingerprint="fp_ab", name="beta", models=[model("smol"), model("big")]),
        NodeInfo(fingerprint=FINGERPRINT, name="Ada's laptop", models=[model("tiny")]),
    ],
    requests=lambda: [request("incoming", "alpha"), request("outgoing", "two words")],
    keys=lambda: [
        KeyInfo(id="k1", state="open", created=0, expires=0, name="x"),
        KeyInfo(id="k2", state="used", created=0, expires=0, name="x"),
    ],
    connections=lambda: [],
    routes=lambda: [RouteInfo(name="code", targets=["big"]), RouteInfo(name="two words", targets=["big"])],
    api_keys=lambda: [ApiKeyInfo(name="laptop", created=0), ApiKeyInfo(name="two words", created=0)],
)


@pytest.fixture
def complete() -> Any:
    known = Known()
    known._values = _ask(CLIENT)
    known.refresh = lambda older_than=0.0: None  # type: ignore[method-assign]
    known.found([NodeInfo(fingerprint="fp_cd", name="gamma")])
    session: Any = SimpleNamespace(known=known, ip=SimpleNamespace(user_ns={}))

    def complete(line: str) -> list[str]:
        found = candidates(line, session)
        assert found is not None
        return found[1]

    return complete


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("%bago chat -m ", ["own", "smol", "code", "big", "tiny", "beta/smol", "beta/big"]),
        ("%bago route ", ["set", "remove"]),
        ("%bago route set c", ["code"]),
        ("%bago route set code beta/b", ["beta/big"]),
        ("%bago route set code beta/big else t", ["tiny"]),
        ("%bago route remove ", ["code"]),
        ("%bago apikeys remove ", ["laptop"]),
        ("%bago apikeys add --to", ["--to-file"]),
        ("%bago chat -m beta/", ["beta/smol", "beta/big"]),
        ("%bago load --on ", ["beta", "12345678"]),
        ("%bago nodes show ", ["beta", "12345678"]),
        ("%bago nodes re", ["retry", "remove"]),
        ("%bago nodes set beta --in-routing ", ["on", "off"]),
        ("%bago nodes set beta --in", ["--in-routing"]),
        ("%bago connect --request ", ["gamma"]),
        ("%bago approve ", ["alpha"]),
        ("%bago confirm ", ["r1"]),
        ("%bago key --revoke ", ["k1"]),
        ("%bago share ", ["own", "smol"]),
        ("%bago share own ", ["on", "off"]),
        ("%bago share own of", ["off"]),
        ("%bago advertise ", ["on", "off"]),
        ("%bago advertise --name x o", ["on", "off"]),
        ("%bago dis", ["discover", "discovery"]),
    ],
)
def test_lines(complete: Any, line: str, names: list[str]) -> None:
    assert complete(line) == names


def test_the_second_words_stand_before_the_nodes(complete: Any) -> None:
    assert complete("%bago nodes ") == [
        "show",
        "ping",
        "test",
        "retry",
        "remove",
        "set",
        "beta",
        "12345678",
    ]


def test_verbs_are_offered_in_one_word(complete: Any) -> None:
    assert complete("%bago ") == [name for name in VERBS if " " not in name]
