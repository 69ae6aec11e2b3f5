"""From the text of a magic, or the arguments of a process, to a verb and its checked arguments.

argparse is not used: it abbreviates, exits, cannot keep a prompt as typed, and its sentences do
not say what to do.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from .quiet import Usage
from .table import VERBS, Option, Verb
from .verb import SWITCH
from .words import Arguments, Line, Words

_OPTION = re.compile(r"--?[A-Za-z][^\s=]*(?:=|\Z)|--\Z")
Expand = Callable[[str], str]


class Given(NamedTuple):
    """What a verb was given."""

    verb: Verb
    argument: str
    options: dict[str, Any]
    """Only options that were named, under their long names with underscores."""


def parse(line: str, cell: str | None = None, expand: Expand = str) -> Given:
    """Parse a line, with the body of its cell if it is a cell magic.

    ``expand`` fills in variables; it sees each value after the splitting, so that a value with
    spaces stays one. Raises :class:`~.quiet.Usage` with one sentence that says what to do.
    """
    verb, line = _verb(line, cell)
    return _given(_Reading(verb, Line(line), expand), cell)


def parse_arguments(arguments: Sequence[str], also: Sequence[Option] = ()) -> Given:
    """Parse the arguments of a process, of which the first is a verb; ``also`` are options of every verb.

    What stands behind the options of a verb that takes a text, or behind ``--``, is that text as it is.
    Raises :class:`~.quiet.Usage` as :func:`parse` does.
    """
    first, *more = arguments
    reading = _Reading(VERBS[first], Arguments(more), str, also)
    reading.take_second_word()
    return _given(reading)


def suggest(word: str, known: Iterable[str]) -> str:
    """A sentence that names the near one of ``known``, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."


def first_words() -> list[str]:
    """The verbs of one word."""
    return [name for name in VERBS if " " not in name]


def second_words(verb: Verb) -> list[str]:
    """What may follow ``verb`` to make another one."""
    return [name.partition(" ")[2] for name in VERBS if name.startswith(f"{verb.name} ")]


def option_names(verb: Verb) -> list[str]:
    """Every spelling of every option of ``verb``, its settings included."""
    names = [name for option in verb.options for name in option.names]
    return names + [f"--{name.replace('_', '-')}" for name in _settings(verb)]


def find_option(verb: Verb, name: str) -> Option | None:
    """The option of ``verb`` that is spelt ``name``."""
    for option in verb.options:
        if name in option.names:
            return option
    if name.startswith("--") and name[2:].replace("-", "_") in _settings(verb):
        return Option((name,), "setting")
    return None


def _settings(verb: Verb) -> list[str]:
    if not verb.settings:
        return []
    from ..settings import NAMES, SECRETS

    return [name for name in NAMES if name not in SECRETS]


def _verb(line: str, cell: str | None) -> tuple[Verb, str]:
    word, after = [*line.split(maxsplit=1), "", ""][:2]
    if cell is not None and (not word or word.startswith("-")):
        return VERBS["chat"], line
    if not word:
        return VERBS["status"], ""
    if word.endswith("?") and word.rstrip("?") in VERBS:
        return VERBS["help"], word.rstrip("?")
    verb = VERBS.get(word)
    if verb is None:
        raise Usage(f"There is no %bago {word}. {suggest(word, first_words())}")
    second, more = [*after.split(maxsplit=1), "", ""][:2]
    if two := VERBS.get(f"{word} {second}"):
        verb, after = two, more
    if cell is not None and not verb.cell:
        raise Usage(f"%%bago {verb.name} takes no cell; write %bago {verb.name} on a line.")
    return verb, after


def _given(reading: _Reading, cell: str | None = None) -> Given:
    verb = reading.verb
    reading.take_options()
    if verb.rest:
        parts = reading.words.rest(), (cell or "").strip("\n")
        argument = reading.expand("\n\n".join(part for part in parts if part))
    else:
        argument = reading.only_argument()
    if verb.argument and not verb.argument.startswith("[") and not argument:
        raise Usage(f"%bago {verb.name} needs a {verb.argument.lower()}: {verb.synopsis}")
    return Given(verb, argument, reading.options)


class _Reading:
    """The words of one verb, while they are read."""

    def __init__(self, verb: Verb, words: Words, expand: Expand, also: Sequence[Option] = ()) -> None:
        self.verb = verb
        self.words = words
        self.expand = expand
        self.options: dict[str, Any] = {}
        self._also = {name: option for option in also for name in option.names}
        self._ended = False
        """Whether ``--`` was there, behind which nothing is an option."""

    def take_second_word(self) -> None:
        """Make it the verb of two words that stands there, with options of every verb between them or not."""
        self.take_options()
        two = VERBS.get(f"{self.verb.name} {self.words.first()}")
        if two and not self._ended and self.options.keys() <= {option.key for option in self._also.values()}:
            self.verb = two
            self.words.drop()

    def take_options(self) -> None:
        """Take the options off the front."""
        while not self._ended and (word := self.words.first()) is not None and _OPTION.match(word):
            self.words.drop()
            if word == "--":
                self._ended = True
                break
            name, has_value, value = word.partition("=")
            option = self._also.get(name) or _option(self.verb, name)
            if option.kind != "flag" and not has_value:
                found = self.words.first()
                if found is None or _OPTION.match(found):
                    raise Usage(f"{name} needs a value: {name} {option.metavar}")
                value = found
                self.words.drop()
            self._keep(name, option, value)

    def _keep(self, name: str, option: Option, value: str) -> None:
        flag = option.kind == "flag"
        converted = True if flag else _convert(name, option, self.expand(self.words.bare(value)))
        if option.many:
            self.options.setdefault(option.key, []).append(converted)
        else:
            self.options[option.key] = converted

    def only_argument(self) -> str:
        """Take the argument, the switch and the options among them, and nothing else."""
        verb = self.verb
        words: list[str] = []
        most = bool(verb.argument) + verb.switch
        while (word := self.words.first()) is not None:
            self.words.drop()
            words.append(self.expand(self.words.bare(word)))
            if len(words) > most and not verb.more:
                hint = suggest(words[0], more) if (more := second_words(verb)) else verb.synopsis
                raise Usage(f"%bago {verb.name} does not take {word!r}: {hint}")
            self.take_options()
        if verb.switch:
            last = words.pop() if len(words) == most else ""
            if last not in SWITCH:
                raise Usage(f"%bago {verb.name} ends with on or off: {verb.synopsis}")
            self.options["switch"] = last == "on"
        if verb.more:
            self.options["more"] = words[1:]
        return words[0] if words else ""


def _option(verb: Verb, name: str) -> Option:
    if name in ("--api-key", "--key", "--secret", "--secret-key") and find_option(verb, "--key-env"):
        raise Usage(
            "A key does not belong in a notebook or a command line; put it into an environment variable and "
            "name that: --key-env VAR, or --ask."
        )
    if name == "--api-key":  # it would be stored in the notebook
        raise Usage(
            "A key does not belong in a notebook; put it into an environment variable and name that: "
            "--api-key-env VAR (or set BAGO_API_KEY)."
        )
    if name == "--cluster-key":
        raise Usage(
            "A team key does not belong in a notebook; put it into an environment variable and name that: "
            "%bago team --key-env VAR (or set BAGO_CLUSTER_KEY)."
        )
    option = find_option(verb, name)
    if option is None:
        known = option_names(verb)
        hint = suggest(name, known) if known else "It takes none."
        raise Usage(f"%bago {verb.name} has no option {name}. {hint}")
    return option


def _finite(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _convert(name: str, option: Option, value: str) -> Any:
    if option.choices and value not in option.choices:
        raise Usage(f"{name} does not know {value!r}. {suggest(value, option.choices)}")
    if option.kind == "name" and not value.isidentifier():
        raise Usage(f"{name} needs the name of a variable, not {value!r}.")
    kinds: dict[str, Callable[[str], Any]] = {"int": int, "number": _finite}
    try:
        return kinds.get(option.kind, str)(value)
    except ValueError:
        what = "a whole number" if option.kind == "int" else "a number"
        raise Usage(f"{name} needs {what}, not {value!r}.") from None
