"""What a process calls itself towards its node, so that notebooks get fair shares and counts of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HEADER = b"x-bago-caller"
LONGEST = 64
"""Characters of the name; the rest is left out."""
_SESSION = "JPY_SESSION_NAME"
"""Where Jupyter Server tells a kernel the path of its notebook."""


def of_this_process() -> str | None:
    """The file name of this kernel's notebook, else the kernel's id; ``None`` where no kernel runs."""
    name = os.path.basename(os.environ.get(_SESSION, ""))
    if name:
        return name
    application = sys.modules.get("ipykernel.kernelapp")
    if application is None or not application.IPKernelApp.initialized():
        return None
    file = str(application.IPKernelApp.instance().connection_file)
    return Path(file).stem.removeprefix("kernel-") or None


def header(caller: str | None) -> dict[bytes, bytes]:
    """``caller`` as a header, without what a header cannot hold; none where nothing is left."""
    printable = "".join(character for character in caller or "" if character.isprintable())
    shown = printable.strip()[:LONGEST].rstrip()
    return {HEADER: shown.encode()} if shown else {}
