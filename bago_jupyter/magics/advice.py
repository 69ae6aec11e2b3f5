"""What of this face helps against an error of the node, which names no option of any face itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import BagoError


@contextmanager
def advised(advice: Callable[[BagoError], str | None]) -> Iterator[None]:
    """Add what ``advice`` says of an error, if anything, to its sentence."""
    try:
        yield
    except BagoError as error:
        if not (more := advice(error)):
            raise
        raise type(error)(f"{error.message} {more}", param=error.param) from None
