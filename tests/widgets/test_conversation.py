"""What of a conversation is sent, and what of a text can be."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from bago_jupyter.errors import InvalidRequest
from bago_jupyter.widgets import sampling
from bago_jupyter.widgets.conversation import Conversation, Turn, printable


def asked(conversation: Conversation, text: str, answer: str = "", state: str = "done") -> Turn:
    turn = conversation.ask(text, "m")
    turn.text, turn.state = answer, state  # type: ignore[assignment]
    return turn


def test_the_last_question_is_sent_with_what_was_said_before() -> None:
    said = Conversation()
    asked(said, "one", "1")
    asked(said, "two", "", "failed")
    asked(said, "three", "3 and", "stopped")
    asked(said, "four")
    assert said.messages(" ") == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "three"},
        {"role": "assistant", "content": "3 and"},
        {"role": "user", "content": "four"},
    ]
    assert said.messages("Be brief.")[0] == {"role": "system", "content": "Be brief."}


def test_the_last_question_can_be_asked_again_or_changed() -> None:
    said = Conversation()
    asked(said, "one", "1")
    first = asked(said, "two", "2")
    again = said.again("other")
    assert [turn.text for turn in said.turns] == ["one", "1", "two", ""]
    assert again.id != first.id and again.model == "other" and again.state == "streaming"
    said.edit("three", "m")
    assert [turn.text for turn in said.turns] == ["one", "1", "three", ""]
    with pytest.raises(InvalidRequest, match="What should"):
        said.edit(" ", "m")
    assert len(said.turns) == 4
    question = said.turns[2].id
    said.edit("four", "m", question)
    with pytest.raises(InvalidRequest, match="not the last question any more"):
        said.edit("five", "m", question)
    assert [turn.text for turn in said.turns] == ["one", "1", "four", ""]
    said.clear()
    with pytest.raises(InvalidRequest, match="not the last question any more"):
        said.edit("six", "m", question)
    assert said.messages("s") == [{"role": "system", "content": "s"}]
    for nothing in (lambda: said.again("m"), lambda: said.edit("x", "m")):
        with pytest.raises(InvalidRequest, match="Nothing has been asked"):
            nothing()
    for text in (None, "", " \n", 7, ["x"]):
        with pytest.raises(InvalidRequest, match="What should"):
            said.ask(text, "m")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\U0001f600b", "a\U0001f600b"),
        ("a\ud83d", "a"),
        ("a\ud83d\ude00b", "a\U0001f600b"),
        ("a\ude00b", "a\ufffdb"),
        ("a\ud83d b", "a\ufffd b"),
        ("", ""),
    ],
)
def test_halves_of_pairs_never_reach_a_message(text: str, expected: str) -> None:
    assert printable(text) == expected
    printable(text).encode()


def test_the_page_knows_the_same_turns_and_parameters() -> None:
    source = (Path(__file__).parents[2] / "js/src/widgets/playground/state.ts").read_text("utf-8")
    for name, fields in (("Turn", Turn.__struct_fields__), ("Parameters", sampling.DEFAULTS)):
        found = re.search(rf"interface {name} {{\n(.*?)^}}", source, re.MULTILINE | re.DOTALL)
        assert found is not None
        assert re.findall(r"^  (\w+):", found[1], re.MULTILINE) == list(fields)


def test_what_was_said_stays_said_while_more_arrives() -> None:
    whole = "a\ud83d\ude00 \ude00 b\ud83dc"
    shown = [printable(whole[:end]) for end in range(len(whole) + 1)]
    assert all(after.startswith(before) for before, after in itertools.pairwise(shown))
