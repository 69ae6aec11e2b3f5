"""How long an attempt may be silent before another one begins beside it."""

from __future__ import annotations

from ..router import Load, Row, Shape
from ..router.shape import READING
from ..wire import Counts

LOOK = 1.0
"""Seconds between two looks at answers that may have stalled."""
FLOOR = 0.5
"""Seconds before which nothing is late."""
ADMISSION = 1.0
"""Seconds after which a peer is late with its admission, as long as its usual time is unknown."""
ADMISSION_FLOOR = 0.25
UPLOAD = 2**18
"""Tokens a second, 1 MiB, at which a request reaches a peer at least: pictures take their time."""
OVERHEAD = 0.05
"""Seconds that the shortest answer takes, for estimates."""
SHARE = 0.1
"""Requests beside which a second attempt may run, in the long run: a mesh that is slow gets no slower."""
BURST = 10.0


class Patience:
    """The budget of second attempts, of which each request that ``counts`` knows of saves a share.

    Belongs to the node's loop.
    """

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._seen = counts.total
        self._saved = BURST

    def spend(self) -> bool:
        """Whether a second attempt may begin now."""
        asked, self._seen = self._counts.total - self._seen, self._counts.total
        self._saved = min(BURST, self._saved + SHARE * asked)
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


def estimate(row: Row, shape: Shape) -> float:
    """Seconds to the first byte that its speed lets expect: to read the prompt, and to write an answer that
    is not streamed."""
    reading = max(0, shape.prompt_tokens - row.warm) / READING
    return OVERHEAD + row.latency + (reading + (0 if shape.stream else shape.answer)) / row.speed


def until_admission(row: Row, load: Load, shape: Shape) -> float | None:
    """Seconds from the start in which an attempt must give its first sign of life; ``None`` is any time."""
    if not row.offer.peer:
        return until_first_byte(row, load, shape)
    limit = load.admission.limit
    return shape.prompt_tokens / UPLOAD + (ADMISSION if limit is None else max(ADMISSION_FLOOR, limit))


def until_first_byte(row: Row, load: Load, shape: Shape) -> float | None:
    """Seconds from the start in which its first byte must come; ``None`` is any time."""
    limit = load.slowness.limit
    if limit is None or row.full or row.offer.state != "ready":
        return None
    return max(FLOOR, limit * estimate(row, shape))
