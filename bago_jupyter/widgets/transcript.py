"""A conversation without a browser: as text for terminals, as static HTML for saved notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .conversation import Turn
from .plain import clean

_SAID = "white-space:pre-wrap;overflow-wrap:anywhere;font-family:inherit;text-align:left;margin:0 0 1em"


def plain(turns: Sequence[Turn], system: str = "") -> str:
    """Who said what, a paragraph each."""
    return "\n\n".join(f"{_line(who)}:\n{_lines(said)}" for who, said in _said(turns, system))


def html(turns: Sequence[Turn], system: str = "") -> str:
    """The same as a static fragment: no script, and all of it escaped; a model's Markdown stays source.

    ``pre`` keeps the lines where a sanitiser takes the style away.
    """
    return "".join(
        f'<p><b>{escape(_line(who))}</b></p><pre dir="auto" style="{_SAID}">{escape(_lines(said))}</pre>'
        for who, said in _said(turns, system)
    )


def _said(turns: Sequence[Turn], system: str) -> list[tuple[str, str]]:
    first = [("System prompt", system)] if system.strip() else []
    return first + [("You" if turn.role == "user" else _model(turn), _text(turn)) for turn in turns]


def _model(turn: Turn) -> str:
    model = turn.model or "Model"
    return f"{model} on {turn.node}" if turn.node and not model.startswith(f"{turn.node}/") else model


def _text(turn: Turn) -> str:
    notes = {
        "streaming": "(is being written)",
        "stopped": "(stopped)",
        "failed": turn.error or "(failed)",
        "done": "(cut at max tokens)" if turn.cut else "",
    }
    return "\n".join(filter(None, [turn.text, notes[turn.state]]))


def _line(text: str) -> str:
    return clean(" ".join(text.split()))


def _lines(text: str) -> str:
    return "\n".join(clean(line) for line in text.expandtabs(4).splitlines())
