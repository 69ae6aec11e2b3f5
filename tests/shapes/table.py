"""The whole table."""

from __future__ import annotations

from shapes.calls import CALLS
from shapes.failures import FAILURES
from shapes.odd import ODD
from shapes.shape import Shape
from shapes.streams import STREAMS
from shapes.transfers import TRANSFERS
from shapes.wholes import WHOLES

_ALL = (*STREAMS, *CALLS, *WHOLES, *TRANSFERS, *ODD, *FAILURES)
TABLE: dict[str, Shape] = {shape.name: shape for shape in _ALL}
"""Every shape by its name."""
