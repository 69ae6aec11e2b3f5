"""Text, tables and numbers."""

import pytest

from bago_jupyter.magics.show import clean, dim, quantity, seconds, size, table

NASTY = "<img src=x onerror=alert(1)>"


def test_html_is_escaped_and_the_twin_is_not():
    for bundle in (table(["model", NASTY], [[NASTY, 1]]), dim(NASTY)):
        assert "<img" not in bundle["text/html"]
        assert "&lt;img" in bundle["text/html"]
        assert NASTY in bundle["text/plain"]


def test_columns_are_aligned():
    assert table(["a", "bb"], [["long", 1], ["x", ""]])["text/plain"] == "a     bb\nlong  1\nx"


def test_a_terminal_gets_no_commands():
    assert clean("a\x1b]52;c;ZXZpbA==\x07b\x9b31m\tc\n\rd") == "a]52;c;ZXZpbA==b31m\tc\nd"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (98_400_000, "98.4 MB"),
        (99_960_000, "100 MB"),
        (999_999, "1 MB"),
        (7.2e9, "7.2 GB"),
        (None, ""),
    ],
)
def test_sizes(value, text):
    assert size(value) == text


def test_quantities_and_durations():
    assert [quantity(n) for n in (134_515_008, 7_241_732_096, 512, None)] == ["135M", "7.2B", "512", ""]
    assert [seconds(t) for t in (0.0123, 1.26, None)] == ["12 ms", "1.3 s", ""]
