"""The forms that an answer can take, and how each is shown while it arrives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from .markdown import safe
from .quiet import Usage
from .show import Bundle, Live, Screen, clean

RATE = 15.0
"""Most updates of a streamed answer, per second."""
_DEEPEST = 200
"""Levels of lists and objects that every front end can show."""
_FENCED = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.M | re.S
)


class Answer:
    """One answer: :meth:`feed` it, then :meth:`finish` (or leave it, when interrupted)."""

    def __init__(self, screen: Screen, form: str) -> None:
        self.text = ""
        self._screen = screen
        self._form = form
        self._printed = form == "text" or not screen.rich
        self._live: Live = screen.live(RATE)

    def feed(self, piece: str) -> None:
        """Take the next piece and show it, now or with one that follows soon."""
        self.text += piece
        if self._printed:
            print(clean(piece), end="", flush=True)
        elif self._live.due(len(self.text)):
            self._live.update(self._raw())

    def stop(self) -> None:
        """Show all that arrived, without a form."""
        if self._printed:
            if self.text and not self.text.endswith("\n"):
                print()
        elif self.text:
            self._live.update(self._raw())

    def finish(self) -> Any:
        """Show the whole and return its value: text, code or a parsed object.

        Raises :class:`~.quiet.Usage` if JSON was asked for and did not come.
        """
        self.stop()
        if self._form == "code":
            return self._code()
        if self._form == "json":
            return self._json()
        return self.text

    def _raw(self) -> Bundle:
        if self._form in ("code", "json"):
            return {"text/plain": self.text}
        return {"text/markdown": safe(self.text), "text/plain": self.text}

    def _code(self) -> str:
        code, language = extract_code(self.text)
        if not self._printed:
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
            block = f"{fence}{language or 'python'}\n{code}\n{fence}\n"
            self._live.update({"text/markdown": safe(block), "text/plain": code})
        if code:
            self._screen.next_cell(code)
        return code

    def _json(self) -> Any:
        try:
            value = extract_json(self.text)
        except ValueError as error:
            raise Usage(f"The answer is not JSON ({error}); its text is kept as it came.") from None
        if not self._printed:
            pretty = json.dumps(value, indent=2, ensure_ascii=False)
            self._live.update({"application/json": value, "text/plain": pretty})
        return value


def extract_code(text: str) -> tuple[str, str]:
    """The fenced code of ``text`` (all blocks in the language of the first) and that language.

    Text without a fence is code as a whole.
    """
    blocks = [(match[2], match[3].rstrip("\n")) for match in _FENCED.finditer(text)]
    if not blocks:
        return text.strip("\n"), ""
    language = blocks[0][0]
    return "\n\n".join(code for kind, code in blocks if kind == language), language


def extract_json(text: str) -> Any:
    """The JSON value that ``text`` is, bare or in a fence. Raises ``ValueError``."""
    if not text.strip():
        raise ValueError("it is empty")
    try:
        return _load(text)
    except ValueError as error:
        blocks = [match[3] for match in _FENCED.finditer(text)]
        if len(blocks) != 1:
            raise ValueError(str(error)) from None
        return _load(blocks[0])


def _load(text: str) -> Any:
    """JSON that every program can read: bounded in depth, without NaN and halves of surrogate pairs."""
    try:
        value = json.loads(text, parse_constant=_no_number)
        depth, level = 0, [value]
        while level := [inner for outer in level for inner in _inside(outer)]:
            depth += 1
            if depth > _DEEPEST:
                raise RecursionError
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except UnicodeEncodeError:
        raise ValueError("it holds half of a character") from None
    return value


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")
