"""What was asked, and how it went: counted per minute, kept across restarts in ``stats.db``."""

from .buckets import BOUNDS, percentile
from .cell import Cell
from .collector import OTHER, Collector
from .query import DIMENSIONS
from .statistics import Statistics

__all__ = ["BOUNDS", "DIMENSIONS", "OTHER", "Cell", "Collector", "Statistics", "percentile"]
