"""What a failed attempt says of the backend, and of the request."""

from __future__ import annotations

import email.utils
import re
import time

from ..errors import BagoError, Unavailable, Unsupported, UpstreamFailed, UpstreamTimeout
from ..router import Cause, Offer
from ..router.breaker import counts
from .answer import Answer

OURS = frozenset({401, 403})
"""Statuses with which a remote backend refuses this node, not the client: it was asked with our key."""
ELSEWHERE = frozenset({*OURS, 404})
"""Statuses of a remote backend after which another one is asked: ours to answer for, or a stale catalogue."""
LONGEST = 86400.0
"""Seconds of a ``Retry-After`` that are passed on."""
PEEKED = frozenset({400, 500})
"""Statuses whose bodies tell whose fault it is."""
_MISTAKE = re.compile(
    rb"(?P<unsupported>(?:image|audio|video) input is not supported|\"code\"\s*:\s*\"unsupported\")"
    rb"|(?P<context_length_exceeded>input \(\d+ tokens\) is too large to process)"
    rb"|(?P<invalid_request>Failed to parse (?:messages|tools): |'\w+' is required(?=\"|$))"
)


def mistake(body: bytes) -> str | None:
    """The code of an error for which the request is to blame, whatever its status; else ``None``.

    llama-server answers 500 to such requests; their next try would fail as well.
    """
    found = _MISTAKE.search(body)
    return found.lastgroup if found is not None else None


def moves_on(status: int, offer: Offer) -> bool:
    """Whether a backend's answer is a reason to ask the next one."""
    return counts(status) or (status in ELSEWHERE and not offer.local)


async def accept(answer: Answer, offer: Offer, others: bool) -> None:
    """Wait until ``answer`` has begun. Raises where one of ``others`` may do better."""
    if answer.status in PEEKED:
        await answer.start()
        code = mistake(answer.begun)
        answer.mistaken = code is not None
        if code == "unsupported" and others:
            raise Unsupported(f"{offer.node} cannot do what this request asks for.")
        if code is None and counts(answer.status) and others:
            raise answered(answer.status, offer.node, answer.retry_after)
    elif moves_on(answer.status, offer) and (others or answer.status in OURS):
        raise answered(answer.status, offer.node, answer.retry_after)
    else:
        await answer.start()


def is_local_to(error: BagoError) -> bool:
    """Whether another backend may do better after ``error``."""
    return counts(error.status) or error.status == 404 or isinstance(error, Unsupported)


class Gone(Unavailable):
    """The backend was taken out of the catalogue after it was chosen."""


def cause_of(error: BagoError) -> Cause | None:
    """What a breaker makes of ``error``; ``None`` where it says nothing of the backend."""
    if not counts(error.status) or isinstance(error, Gone):
        return None
    if isinstance(error, UpstreamTimeout):
        return "frozen"
    if isinstance(error, UpstreamFailed):
        return "refused" if error.refused else "broken"
    return "limit" if error.status == 429 else "error"


def answered(status: int, node: str, retry_after: bytes | None) -> BagoError:
    """A backend's failing answer as an error, with what its ``Retry-After`` says."""
    if status in OURS:
        return Unavailable(f"{node} refuses the key of this node (it answered {status}).")
    error = BagoError(f"{node} answered {status}.", retry_after=seconds(retry_after))
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
