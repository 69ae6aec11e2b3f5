"""Secrets on their way in: from the environment or a question, never from a line that is stored."""

from __future__ import annotations

import os
import sys

from .quiet import Usage
from .session import Session


def from_environ(variable: str, option: str) -> str:
    """The value of an environment variable that ``option`` named. Raises :class:`~.quiet.Usage`."""
    value = os.environ.get(variable)
    if not value:
        raise Usage(f"The environment variable {variable} is not set; {option} names the one with the key.")
    return value


def ask(session: Session, prompt: str, instead: str) -> str:
    """What somebody types unseen: in the notebook, in a terminal, or through a pipe.

    ``instead`` is a sentence for places where nobody can be asked. Raises :class:`~.quiet.Usage`.
    """
    import getpass

    piped = session.ip is None and not sys.stdin.isatty()
    try:
        # ipykernel replaces getpass.getpass by a question of the front end.
        value = sys.stdin.readline() if piped else getpass.getpass(prompt)
    except (EOFError, RuntimeError):  # ipykernel's StdinNotImplementedError is one
        raise Usage(f"Nobody can be asked here. {instead}") from None
    if not value.strip():
        raise Usage(f"Nothing was typed. {instead}")
    return value.strip()
