"""Views as tables, for terminals and notebooks without a kernel."""

from __future__ import annotations

from bago_jupyter.widgets.sections import LONGEST, Section, html, milliseconds, plain, reasoned

HOSTILE = "<script>alert(1)</script>\u202e" + "x" * 10_000
SECTIONS = [Section("Nodes", ("name", "state"), [(HOSTILE, "online")]), Section("Keys", ("id",), [])]


def test_text() -> None:
    text = plain("Nodes of a\nb", SECTIONS, "The node is down.")
    lines = text.splitlines()
    assert lines[0] == "Nodes of a\ufffdb" and lines[1] == "  ! The node is down."
    assert "Keys: none" in text and "\u202e" not in text
    assert max(map(len, lines)) < LONGEST + 30


def test_html() -> None:
    shown = html("<b>", SECTIONS, "<down>")
    assert "<script" not in shown and "&lt;script&gt;" in shown and "\u202e" not in shown
    assert "<b>&lt;b&gt;</b>" in shown and "&lt;down&gt;" in shown
    assert '<th scope="col"' in shown and "Keys: none" in shown


def test_words() -> None:
    assert (milliseconds(None), milliseconds(0.0032)) == ("", "3.2 ms")
    assert (reasoned("online", None), reasoned("offline", "no answer")) == ("online", "offline (no answer)")
