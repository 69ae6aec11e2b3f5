"""What a group of measurements is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .results import Table

Progress = Callable[[str], None]


class BenchError(Exception):
    """A measurement cannot be made here; the message says why and what to do."""


@dataclass(frozen=True)
class Group:
    """A set of tables that is measured as one."""

    name: str
    title: str
    method: str
    """What was done, for the reader of the page."""
    bound: float
    """Seconds after which the group is given up."""
    measure: Callable[[Progress], list[Table]]
