"""Prompts that end with a question mark.

IPython reads any line that ends with ``word?`` as a question about the object ``word``, magics
included; ``%bago chat What is it?`` would look for an object named ``it``.
"""

from __future__ import annotations

from typing import Any

from IPython.core.inputtransformer2 import EscapedCommand


class BagoLine(EscapedCommand):
    """Takes a ``%bago`` line with a verb before IPython's help (priority 5) does; ``%bago?`` stays help."""

    priority = 4

    @classmethod
    def find(cls, tokens_by_line: Any) -> Any:
        made = super().find(tokens_by_line)  # type: ignore[no-untyped-call]
        if made is None:
            return None
        for line in tokens_by_line:
            for token in line:
                if token.start == (made.start_line + 1, made.start_col):
                    return made if token.line[made.start_col :].startswith("%bago ") else None
        return None
