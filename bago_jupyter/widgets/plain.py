"""How values read, in a terminal as in a browser, and a node's status as text and as static HTML."""

from __future__ import annotations

import re
from html import escape

from ..wire import Counts, RunnerInfo, Status

THIN = "\u2009"
_DANGEROUS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(status: Status | None, down: str | None = None) -> str:
    """The status card as text.

    ``down`` says why the node cannot be reached; ``status`` is then its last known state.
    """
    if status is None:
        return clean(down or "No node.")
    head = (
        f"{status.name}  {short(status.fingerprint)}  {'down' if down else 'up ' + duration(status.uptime)}"
    )
    key = "  (API key required)" if status.api_key_required else ""
    lines = [head, *_indent([down] if down else []), f"  {'url':<9} {status.url}{key}"]
    lines += [f"  {name:<9} {value}" for name, value in _facts(status)]
    lines += [f"    {_runner(runner)}" for runner in status.runners]
    lines += [f"  {'requests':<9} {_counts(status.requests)}"]
    lines += _indent(status.notices)
    return "\n".join(map(clean, lines))


def html(status: Status | None, down: str | None = None) -> str:
    """The same as a static fragment: no script, and every value escaped."""
    if status is None:
        return f"<p>{_text(down or 'No node.')}</p>"
    url = f"<code>{_text(status.url)}</code>"
    rows = [("url", url + (" (API key required)" if status.api_key_required else ""))]
    rows += [(name, _text(value)) for name, value in _facts(status)]
    rows += [("", _text(_runner(runner))) for runner in status.runners]
    rows += [("requests", _text(_counts(status.requests)))]
    rows += [("notice", _text(notice)) for notice in ([down] if down else []) + status.notices]
    body = "".join(
        f'<tr><th scope="row" style="text-align:left">{name}</th>'
        f'<td style="text-align:left;overflow-wrap:anywhere">{value}</td></tr>'
        for name, value in rows
    )
    title = f"<b>{_text(status.name)}</b> <code>{_text(short(status.fingerprint))}</code> "
    title += _text(_uptime(status, down))
    return f'<table><caption style="text-align:left">{title}</caption><tbody>{body}</tbody></table>'


def short(fingerprint: str) -> str:
    """The first 8 digits of a fingerprint."""
    return fingerprint.removeprefix("fp_")[:8]


def duration(seconds: float) -> str:
    """Seconds as the two largest units: ``42 s``, ``3 min 5 s``, ``2 h 14 min``, ``3 d 4 h``."""
    whole = max(0, int(seconds))
    parts = [
        (whole // 86400, "d"),
        (whole // 3600 % 24, "h"),
        (whole // 60 % 60, "min"),
        (whole % 60, "s"),
    ]
    first = next((at for at, (count, _) in enumerate(parts) if count), len(parts) - 1)
    shown = [part for part in parts[first : first + 2] if part[0] or part is parts[first]]
    return " ".join(f"{count} {unit}" for count, unit in shown)


def grouped(count: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{count:,}".replace(",", THIN)


def size(count: float | None) -> str:
    """Bytes with three digits: ``98.4 MB``."""
    value, unit = float(count or 0), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    return "" if count is None else f"{value:.3g} {unit}"


def place(status: Status) -> str:
    """What runs the node: place, loop, accelerator."""
    return ", ".join(filter(None, [f"{status.place} on {status.loop}", status.accelerator]))


def engines(status: Status) -> str:
    """The engines that can run here, or why none can."""
    usable = [engine for engine in status.engines if engine.available]
    shown = ", ".join(" ".join(filter(None, [engine.name, engine.version])) for engine in usable)
    reason = next((engine.reason for engine in status.engines if engine.reason), None)
    return shown or ("none: " + reason if reason else "none")


def models(status: Status) -> str:
    """How many models there are."""
    loaded = len({runner.model for runner in status.runners})
    return f"{loaded} loaded, {status.library} in the library"


def state(runner: RunnerInfo) -> str:
    """A runner's state with its progress."""
    if runner.state == "ready" or runner.progress is None:
        return runner.state
    return f"{runner.state} {runner.progress * 100:.0f} %"


def detail(runner: RunnerInfo) -> str:
    """What a runner offers, or what went wrong with it."""
    if runner.error:
        return runner.error
    parts = [] if runner.task == "generate" else [runner.task]
    parts.append(runner.engine)
    if runner.slots:
        parts.append(_count(runner.slots, "slot"))
    if runner.context_length:
        parts.append(f"{grouped(runner.context_length)} context")
    if runner.restarts:
        parts.append(_count(runner.restarts, "restart"))
    return " · ".join(parts)


def requests(counts: Counts) -> list[tuple[str, int]]:
    """The request counters; those that a calm node has at zero are left out."""
    every = [
        ("requests", counts.total),
        ("ok", counts.ok),
        ("failed", counts.failed),
        ("cancelled", counts.cancelled),
        ("in flight", counts.in_flight),
        ("tokens", counts.prompt_tokens + counts.completion_tokens),
    ]
    return [(name, count) for name, count in every if count or name not in ("cancelled", "tokens")]


def _uptime(status: Status, down: str | None) -> str:
    return "down" if down else f"up {duration(status.uptime)}"


def _facts(status: Status) -> list[tuple[str, str]]:
    return [("runs in", place(status)), ("engines", engines(status)), ("models", models(status))]


def _runner(runner: RunnerInfo) -> str:
    return f"{runner.model}  {state(runner)}  {detail(runner)}"


def _counts(counts: Counts) -> str:
    first, *rest = requests(counts)
    return ", ".join([grouped(first[1]), *(f"{grouped(count)} {name}" for name, count in rest)])


def _count(count: int, noun: str) -> str:
    return f"{grouped(count)} {noun}{'' if count == 1 else 's'}"


def _indent(notices: list[str]) -> list[str]:
    return [f"  ! {notice}" for notice in notices]


def _text(value: str) -> str:
    return escape(clean(value))


def clean(value: str) -> str:
    """``value`` without characters that move a terminal's cursor or turn the reading direction."""
    return _DANGEROUS.sub("\ufffd", value)
