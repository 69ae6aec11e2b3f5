"""A whole answer told as events, and events as a whole answer, in the same dialect.

Some servers answer in the kind that was not asked for. Nothing that they said is lost, and nothing is
translated: a field that is not known here stays where it was.
"""

from .as_events import as_events
from .as_whole import as_whole
from .one_answer import one_answer

__all__ = ["as_events", "as_whole", "one_answer"]
