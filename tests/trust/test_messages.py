"""Reading what strangers send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.trust import messages
from bago_jupyter.trust.messages import AskPoll, Card, KeyRequest, TeamHello, read, read_card, write
from bago_jupyter.trust.refusal import BadMessage

KINDS = [KeyRequest, TeamHello, AskPoll, Card]


@given(st.binary(max_size=200), st.sampled_from(KINDS))
def test_rubbish(data, kind):
    with pytest.raises(BadMessage):
        read(data, kind)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 20_000,
        b'{"v":1,"id":"' + b"x" * 65 + b'"}',
        b'{"v":1,"id":"a b c d e f"}',
        b'{"v":1,"id":null}',
        b" " * 40_000,
    ],
)
def test_bounds(data):
    with pytest.raises(BadMessage):
        read(data, AskPoll)


def test_another_version():
    with pytest.raises(BadMessage, match="another version"):
        read(write(AskPoll(v=2, id="x" * 8)), AskPoll)


def test_unknown_fields_are_for_later_versions():
    assert read(b'{"v":1,"id":"xxxxxxxx","more":[1]}', AskPoll).id == "x" * 8


def test_cards_are_cleaned(party):
    card = Card(
        certificate=party("a").der,
        name="\x1b[2J" + "n" * 200,
        addresses=["10.0.0.1:80", "javascript:alert(1)"] + [f"10.0.1.{i}:80" for i in range(60)],
        version="1\n2",
    )
    clean = read_card(write(card))
    assert clean.name == "[2J" + "n" * 60
    assert clean.addresses[:2] == ["10.0.0.1:80", "10.0.1.0:80"] and len(clean.addresses) == 16
    assert clean.version == "1 2"
    assert len(write(card)) < messages.LARGEST
