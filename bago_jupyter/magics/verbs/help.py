"""``help``: the table of verbs, for people."""

from __future__ import annotations

from ..parse import Given, first_words, option_names, second_words, suggest
from ..quiet import Usage
from ..session import Session
from ..table import VERBS, Verb


def help(session: Session, given: Given) -> None:
    """All verbs in a line each, or one in full."""
    if not given.argument:
        session.screen.line("\n".join(_overview()))
        return
    verb = VERBS.get(" ".join(given.argument.split()))
    if verb is None:
        raise Usage(f"There is no %bago {given.argument}. {suggest(given.argument, first_words())}")
    session.screen.line("\n".join(_in_full(verb)))


def _overview() -> list[str]:
    verbs = [VERBS[name] for name in first_words()]
    width = max(len(verb.name) for verb in verbs) + 2
    lines = ["%bago VERB, with:"]
    for verb in verbs:
        more = ", ".join(second_words(verb))
        lines.append(f"  {verb.name:<{width}}{verb.help}{f'; with a word more: {more}' if more else ''}")
    return [*lines, "%bago alone is the status card; %%bago chat takes a cell; %bago help VERB says more."]


def _in_full(verb: Verb) -> list[str]:
    lines = [verb.synopsis, f"  {verb.help}"]
    rows = [(f"{', '.join(option.names)} {option.metavar}".strip(), option.help) for option in verb.options]
    width = max((len(left) for left, _ in rows), default=0) + 2
    lines += [f"    {left:<{width}}{right}" for left, right in rows]
    if verb.settings:
        own = {name for option in verb.options for name in option.names}
        names = [name for name in option_names(verb) if name not in own]
        lines.append(f"    settings: {', '.join(names)}")
    for word in second_words(verb):
        lines += _in_full(VERBS[f"{verb.name} {word}"])
    if verb.cell:
        lines.append(f"  %%bago {verb.name} takes the prompt from the cell.")
        lines.append("  {name}, {In[n]}, {Out[n]} and {Err[n]} are filled in; {{name}} stays {name}.")
    return lines
