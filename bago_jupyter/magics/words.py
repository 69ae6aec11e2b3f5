"""The words that a verb is given: cut out of a line of the magic, or as a shell has cut them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .quiet import Usage

_TOKEN = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[^\s"'])+|["'].*)""", re.DOTALL)
_QUOTED = re.compile(r""""([^"]*)"|'([^']*)'""")


class Line:
    """Text of a magic, in which quotes hold together what has spaces."""

    def __init__(self, text: str) -> None:
        self._text = text

    def first(self) -> str | None:
        """The next word as it is typed, if there is one."""
        found = _TOKEN.match(self._text)
        return found[1] if found else None

    def drop(self) -> None:
        """Take the next word off."""
        found = _TOKEN.match(self._text)
        self._text = self._text[found.end() :] if found else ""

    def bare(self, word: str) -> str:
        """``word``, or a part of it, without its quotes. Raises :class:`~.quiet.Usage`."""
        bare = _QUOTED.sub("", word)
        if word[:1] in "\"'" and bare == word:
            raise Usage(f"The quote before {word[1:21]!r} is not closed.")
        return _QUOTED.sub(lambda match: match[1] if match[1] is not None else match[2], word)

    def rest(self) -> str:
        """All that remains, as one text: quotes around the whole are none of it."""
        text = self._text.strip()
        whole = _QUOTED.fullmatch(text)
        return text if whole is None else whole[1] or whole[2] or ""


class Arguments:
    """Arguments of a process: the shell has taken its quotes away, and those that are left are meant."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)

    def first(self) -> str | None:
        """The next word, if there is one."""
        return self._words[0] if self._words else None

    def drop(self) -> None:
        """Take the next word off."""
        del self._words[:1]

    def bare(self, word: str) -> str:
        """``word`` as it is."""
        return word

    def rest(self) -> str:
        """All that remains, with single spaces between."""
        return " ".join(self._words)


Words = Line | Arguments
