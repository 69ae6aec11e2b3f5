"""Conversations as text and as static HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from bago_jupyter.widgets import transcript
from bago_jupyter.widgets.conversation import Turn

TALK = [
    Turn(id=1, role="user", text="Two\nlines, *please*."),
    Turn(id=2, role="assistant", text="def f():\n\treturn 1", model="smol", node="attic"),
    Turn(id=3, role="user", text="Again."),
    Turn(id=4, role="assistant", text="Half", state="stopped", model="attic/smol", node="attic"),
    Turn(id=5, role="assistant", state="failed", error="No node has it."),
]


class Words(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_text_says_who_said_what() -> None:
    assert transcript.plain(TALK, "Be brief.").split("\n\n") == [
        "System prompt:\nBe brief.",
        "You:\nTwo\nlines, *please*.",
        "smol on attic:\ndef f():\n    return 1",
        "You:\nAgain.",
        "attic/smol:\nHalf\n(stopped)",
        "Model:\nNo node has it.",
    ]
    assert transcript.plain([]) == transcript.html([]) == ""


def test_the_page_has_the_same_words_and_their_lines() -> None:
    page = Words(transcript.html(TALK, "Be brief."))
    for part in ("Be brief.", "Two\nlines", "smol on attic", "def f():\n    return 1", "Half\n(stopped)"):
        assert part in page.text
    assert page.tags == {"p", "b", "pre"}


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_what_was_said_is_harmless(role: str) -> None:
    bad = "</pre><script>alert(1)</script>\u202e\x1b[2J"
    turn = Turn(id=1, role=role, text=bad, model=bad, node="n" + bad, state="failed", error=bad)  # type: ignore[arg-type]
    page = transcript.html([turn], bad)
    words = Words(page)
    assert words.tags == {"p", "b", "pre"} and "<script>" in words.text
    for text in (page, transcript.plain([turn], bad)):
        assert "\u202e" not in text and "\x1b" not in text
