"""Numbers as bars."""

from bago_jupyter.magics.sparkline import BARS, sparkline


def test_bars():
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline(range(8)) == BARS
    assert sparkline([0, 1, 1000]) == "▁▂█", "anything is more than nothing"
    assert sparkline([5, 5]) == "██"
