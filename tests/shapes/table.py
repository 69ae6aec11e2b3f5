"""The whole table."""

from __future__ import annotations

from shapes.calls import CALLS
from shapes.failures import FAILURES
from shapes.shape import Shape
from shapes.streams import STREAMS
from shapes.transfers import TRANSFERS
from shapes.wholes import WHOLES

TABLE: dict[str, Shape] = {shape.name: shape for shape in (*STREAMS, *CALLS, *WHOLES, *TRANSFERS, *FAILURES)}
"""Every shape by its name."""
