"""The magic itself: parse, run the verb, and turn what goes wrong into one line."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from IPython.core.magic import needs_local_scope, no_var_expand

from ..errors import BagoError
from .parse import parse
from .quiet import Interrupted, one_line
from .session import Session

Magic = Callable[..., None]


def magic(session: Session) -> Magic:
    """The function that IPython calls for ``%bago`` and ``%%bago`` of ``session``'s shell."""

    @no_var_expand  # IPython's own expansion evaluates expressions and eats "$"
    @needs_local_scope
    def bago(line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> None:
        """Run a node of the mesh in this kernel and talk to its models; see %bago help."""
        try:
            given = parse(line, cell, lambda text: session.fill(text, local_ns))
            module, function = given.verb.run.split(":")
            getattr(import_module(f".verbs.{module}", __package__), function)(session, given)
        except BagoError as error:
            raise one_line(error) from None
        except Interrupted:
            raise
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None
        finally:
            session.known.refresh()

    return bago
