"""What a failed attempt says of the backend, and of the request."""

from __future__ import annotations

import email.utils
import time

from ..errors import BagoError, Cause, ContextTooLong, Unavailable, Unsupported, cause_of_status
from ..router import Offer, Row
from ..router.breaker import counts
from .answer import Answer
from .complaints import mistake
from .record import Record

OURS: dict[int, Cause] = {401: "key", 403: "forbidden"}
"""Statuses with which a remote backend refuses this node, not the client: it was asked with our key."""
ELSEWHERE = frozenset({*OURS, 404})
"""Statuses of a remote backend after which another one is asked: ours to answer for, or a stale catalogue."""
LONGEST = 86400.0
"""Seconds of a ``Retry-After`` that are passed on."""
PEEKED = frozenset({400, 413, 422, 500})
"""Statuses whose bodies tell whose fault it is."""
EVERYWHERE: frozenset[Cause] = frozenset({"request"})
"""Causes for which every backend would fail."""
ILL: frozenset[Cause] = frozenset({"refused", "frozen", "broken", "error"})
"""Causes that say that the backend is not well, rather than busy, slow or of another opinion."""
HARMLESS: frozenset[Cause] = EVERYWHERE | {"context", "gone", "unsupported"}
"""Causes that say nothing of how the backend is."""


def moves_on(status: int, offer: Offer) -> bool:
    """Whether a backend's answer is a reason to ask the next one."""
    return counts(status) or (status in ELSEWHERE and not offer.local)


async def accept(answer: Answer, offer: Offer, others: bool, roomier: bool) -> None:
    """Wait until ``answer`` has begun. Raises where one of ``others`` may do better, or, with a prompt that
    is too long, a ``roomier`` one."""
    if answer.status in PEEKED:
        await answer.start()
        cause = mistake(answer.begun)
        answer.mistaken = cause is not None
        if cause == "context" and roomier:
            raise ContextTooLong(f"The prompt is too long for {offer.model} on {offer.node}.")
        if cause == "unsupported" and others:
            raise Unsupported(f"{offer.node} cannot do what this request asks for.")
        if cause is None and counts(answer.status) and others:
            raise answered(answer.status, offer.node, answer.retry_after)
    elif moves_on(answer.status, offer) and (others or answer.status in OURS):
        raise answered(answer.status, offer.node, answer.retry_after)
    else:
        await answer.start()


def is_local_to(error: BagoError) -> bool:
    """Whether another backend may do better after ``error``."""
    return error.cause not in EVERYWHERE


def roomier(row: Row, record: Record, refused: Offer | None = None) -> bool:
    """Whether a prompt may fit there that was too long for what ``record`` tells of and for ``refused``."""
    sizes = [flight.row.offer.context_length for flight in record.attempts if flight.cause == "context"]
    if refused is not None:
        sizes.append(refused.context_length)
    size = row.offer.context_length
    return not size or size > max((refusing or 0 for refusing in sizes), default=0)


class Gone(Unavailable):
    """The backend was taken out of the catalogue after it was chosen."""

    cause = "gone"


def cause_of(error: BagoError) -> Cause | None:
    """What a breaker makes of ``error``; ``None`` where it says nothing of the backend."""
    return None if error.cause in HARMLESS else error.cause


def answered(status: int, node: str, retry_after: bytes | None) -> BagoError:
    """A backend's failing answer as an error, with what its ``Retry-After`` says."""
    if status in OURS:
        return Unavailable(f"{node} refuses the key of this node (it answered {status}).", cause=OURS[status])
    error = BagoError(
        f"{node} answered {status}.", retry_after=seconds(retry_after), cause=cause_of_status(status)
    )
    error.status = status  # type: ignore[misc]
    return error


def seconds(retry_after: bytes | None) -> float | None:
    """A ``Retry-After`` header in seconds from now (RFC 9110, 10.2.3); ``None`` where it says nothing.

    At most :data:`LONGEST`, whatever it says.
    """
    if retry_after is None:
        return None
    text = retry_after.decode("latin-1").strip()
    try:
        return min(LONGEST, max(0.0, float(text)))
    except ValueError:
        pass
    try:
        return min(LONGEST, max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time()))
    except (TypeError, ValueError, OverflowError):
        return None
