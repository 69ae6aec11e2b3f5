"""The card without a browser."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from bago_jupyter.widgets import plain
from bago_jupyter.wire import Counts, EngineInfo, RunnerInfo, Status


def status(**changes: object) -> Status:
    fields = {
        "name": "attic",
        "fingerprint": "fp_0123456789abcdef",
        "version": "0.1.0",
        "pid": 1,
        "place": "thread",
        "started_at": 0.0,
        "uptime": 185.0,
        "home": "/home/a",
        "url": "http://127.0.0.1:8080/v1",
        "port": 8080,
        "loop": "uvloop",
        "engines": [EngineInfo(name="llama.cpp", version="1.2")],
        "library": 2,
        "runners": [
            RunnerInfo(
                model="smollm2",
                task="generate",
                state="ready",
                engine="llama.cpp",
                slots=4,
                context_length=8192,
            )
        ],
        "requests": Counts(total=1234, ok=1230, failed=3, in_flight=1),
        "notices": ["Port 8080 was taken."],
    }
    return Status(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_text_says_everything() -> None:
    assert plain.plain(status(api_key_required=True)).splitlines() == [
        "attic  01234567  up 3 min 5 s",
        "  url       http://127.0.0.1:8080/v1  (API key required)",
        "  runs in   thread on uvloop",
        "  engines   llama.cpp 1.2",
        "  models    1 loaded, 2 in the library",
        "    smollm2  ready  llama.cpp · 4 slots · 8\u2009192 context",
        "  requests  1\u2009234, 1\u2009230 ok, 3 failed, 1 in flight",
        "  ! Port 8080 was taken.",
    ]


def test_a_node_that_is_down_says_why() -> None:
    lines = plain.plain(status(), "No node answers.").splitlines()
    assert lines[:2] == ["attic  01234567  down", "  ! No node answers."]
    assert plain.plain(None, "No node answers.") == "No node answers."
    assert "No node answers." in plain.html(status(), "No node answers.")
    assert plain.html(None, "<b>") == "<p>&lt;b&gt;</p>"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0 s"),
        (0.9, "0 s"),
        (42, "42 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (8045, "2 h 14 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_durations_show_the_two_largest_units(seconds: float, shown: str) -> None:
    assert plain.duration(seconds) == shown


def test_a_runner_tells_its_progress_or_its_error() -> None:
    runner = RunnerInfo(
        model="m", task="embed", state="loading", engine="llama.cpp", progress=0.42, restarts=1
    )
    assert (plain.state(runner), plain.detail(runner)) == ("loading 42 %", "embed · llama.cpp · 1 restart")
    runner.error = "out of memory"
    assert plain.detail(runner) == "out of memory"


def test_no_usable_engine_says_what_to_do() -> None:
    engine = EngineInfo(name="mlx", available=False, reason="Install mlx-lm.")
    assert plain.engines(status(engines=[engine])) == "none: Install mlx-lm."
    assert plain.engines(status(engines=[])) == "none"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_escapes_every_value() -> None:
    evil = '<img src=x onerror="alert(1)">'
    runner = RunnerInfo(model=evil, task=evil, state=evil, engine=evil, error=evil)  # type: ignore[arg-type]
    engine = EngineInfo(name=evil, version=evil)
    page = plain.html(
        status(name=evil, fingerprint=evil, url=evil, place=evil, loop=evil, accelerator=evil,
               engines=[engine], runners=[runner], notices=[evil]), evil
    )  # fmt: skip
    parsed = Tags()
    parsed.feed(page)
    assert parsed.tags <= {"table", "caption", "tbody", "tr", "th", "td", "b", "code"}
    assert parsed.text.count(evil) >= 8


def test_control_characters_reach_neither_terminal_nor_page() -> None:
    name = "a\x1b[2Jb\nc\u202ed"
    for text in (plain.plain(status(name=name)), plain.html(status(name=name))):
        assert "a\ufffd[2Jb\ufffdc\ufffdd" in text
