"""Completion of ``%bago`` and ``%%bago`` lines, answered at once from what is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from .known import STALE, STARTERS
from .parse import find_option, first_words, option_names, second_words
from .session import Session
from .table import VERBS, Source, Verb
from .verb import SWITCH

_LINE = re.compile(r"\s*(?:[\w, ]+=\s*)?%?%bago(?:\s+(.*))?$", re.DOTALL)


def candidates(text: str, session: Session) -> tuple[str, list[str]] | None:
    """For a line up to the cursor: the fragment to replace and its completions.

    ``None`` where the line is not ours. Never blocks.
    """
    match = _LINE.match(text)
    if match is None or match[1] is None:
        return None
    words = match[1].split()
    fragment = words.pop() if words and not match[1][-1:].isspace() else ""
    if not words and not fragment.startswith("-"):
        return fragment, [name for name in first_words() if name.startswith(fragment)]
    cell = text.lstrip().startswith("%%")
    verb = VERBS.get(words[0] if words else "", VERBS["chat"] if cell else None)
    if verb is None:
        return fragment, []
    if len(words) > 1 and (two := VERBS.get(" ".join(words[:2]))):
        verb, words = two, words[1:]
    return fragment, [name for name in _values(verb, words, fragment, session) if name.startswith(fragment)]


def _values(verb: Verb, words: list[str], fragment: str, session: Session) -> Iterable[str]:
    before = find_option(verb, words[-1]) if words else None
    if before is not None and before.kind != "flag":
        return before.choices or _from(before.source, session)
    if verb.rest and _in_prompt(verb, words):
        return ()
    if fragment.startswith("-"):
        return sorted(name for name in option_names(verb) if name.startswith("--") or fragment == "-")
    if verb.more and not _expects_argument(verb, words):
        return _more(verb, words, session)
    more = second_words(verb) if len(words) == 1 else []
    switch = SWITCH if verb.switch and not _expects_argument(verb, words) else ()
    found = [*more, *switch, *(() if switch else _from(verb.source, session))]
    return found or sorted(option_names(verb))


def _more(verb: Verb, words: list[str], session: Session) -> Iterable[str]:
    """What may follow the argument of a verb that takes more words."""
    if verb.more == "[on|off]":
        return SWITCH
    if verb.source != "connections":
        return _from(verb.source, session)
    named = tuple(f"{word}/" for word in words[1:])
    return [model.partition("/")[2] for model in _from("models", session) if model.startswith(named)]


def _expects_argument(verb: Verb, words: list[str]) -> bool:
    """Whether the argument is still to come; ``words`` begins with the verb's (last) word."""
    taken, value = 0, False
    for word in words[1:]:
        option = find_option(verb, word.partition("=")[0])
        taken += option is None and not value
        value = option is not None and option.kind != "flag" and "=" not in word
    return taken < bool(verb.argument)


def _in_prompt(verb: Verb, words: list[str]) -> bool:
    """Whether the options are over and free text has begun."""
    value = False
    for word in words:
        option = find_option(verb, word)
        if not value and option is None and word != verb.name:
            return True
        value = option is not None and option.kind != "flag"
    return False


def _from(source: Source, session: Session) -> Iterable[str]:
    if source == "verbs":
        return first_words()
    if source == "policies":
        from ..settings import POLICIES

        return POLICIES
    if source == "names":
        return sorted(name for name in session.ip.user_ns if not name.startswith("_"))
    if source == "tabs":
        from ..tabs import TABS

        return TABS
    if source == "starters":
        return STARTERS
    if not source:
        return ()
    session.known.refresh(older_than=STALE)
    return session.known.of(source)


def matcher(session: Session) -> Callable[[CompletionContext], Any]:
    """The completion matcher that IPython asks, for ``Completer.custom_matchers``."""

    @context_matcher(identifier="bago", priority=1000)  # type: ignore[untyped-decorator]
    def bago_matcher(context: CompletionContext) -> Any:
        found = candidates(context.text_until_cursor, session)
        if found is None:
            return {"completions": [], "suppress": False}
        fragment, names = found
        return {
            "completions": [SimpleCompletion(text=name, type="bago") for name in names],
            "matched_fragment": fragment,
            "suppress": True,
        }

    return bago_matcher  # type: ignore[no-any-return]
