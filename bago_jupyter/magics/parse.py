"""From the text of a magic to a verb and its checked arguments.

argparse is not used: it abbreviates, exits, cannot keep a prompt as typed, and its sentences do
not say what to do.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from .quiet import Usage
from .table import VERBS, Option, Verb
from .verb import SWITCH

_TOKEN = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[^\s"'])+|["'].*)""", re.DOTALL)
_QUOTED = re.compile(r""""([^"]*)"|'([^']*)'""")
_OPTION = re.compile(r"--?[A-Za-z]|--$")
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
    options, rest = _head(verb, line, expand)
    if verb.rest:
        whole = _QUOTED.fullmatch(rest)
        argument = rest if whole is None else whole[1] or whole[2] or ""
        argument = expand("\n\n".join(part for part in (argument, (cell or "").strip("\n")) if part))
    else:
        argument = _only_argument(verb, rest, options, expand)
    if verb.argument and not verb.argument.startswith("[") and not argument:
        raise Usage(f"%bago {verb.name} needs a {verb.argument.lower()}: {verb.synopsis}")
    return Given(verb, argument, options)


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


def _head(verb: Verb, line: str, expand: Expand) -> tuple[dict[str, Any], str]:
    """Take the options off the front of ``line``; return them and the text that remains."""
    options: dict[str, Any] = {}
    at = 0
    while (match := _TOKEN.match(line, at)) and _OPTION.match(word := match[1]):
        at = match.end()
        if word == "--":
            break
        name, has_value, value = word.partition("=")
        option = _option(verb, name)
        if option.kind != "flag" and not has_value:
            found = _TOKEN.match(line, at)
            if found is None or _OPTION.match(found[1]):
                raise Usage(f"{name} needs a value: {name} {option.metavar}")
            value, at = found[1], found.end()
        converted = True if option.kind == "flag" else _convert(name, option, expand(_unquote(value)))
        if option.many:
            options.setdefault(option.key, []).append(converted)
        else:
            options[option.key] = converted
    return options, line[at:].strip()


def _only_argument(verb: Verb, rest: str, options: dict[str, Any], expand: Expand) -> str:
    """Take the argument, the switch and the options among them, and nothing else."""
    words: list[str] = []
    most = bool(verb.argument) + verb.switch
    while match := _TOKEN.match(rest):
        words.append(expand(_unquote(match[1])))
        if len(words) > most and not verb.more:
            hint = suggest(words[0], more) if (more := second_words(verb)) else verb.synopsis
            raise Usage(f"%bago {verb.name} does not take {match[1]!r}: {hint}")
        more_options, rest = _head(verb, rest[match.end() :], expand)
        options.update(more_options)
    if verb.switch:
        last = words.pop() if len(words) == most else ""
        if last not in SWITCH:
            raise Usage(f"%bago {verb.name} ends with on or off: {verb.synopsis}")
        options["switch"] = last == "on"
    if verb.more:
        options["more"] = words[1:]
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


def _unquote(word: str) -> str:
    bare = _QUOTED.sub("", word)
    if word[:1] in "\"'" and bare == word:
        raise Usage(f"The quote before {word[1:21]!r} is not closed.")
    return _QUOTED.sub(lambda match: match[1] if match[1] is not None else match[2], word)


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
