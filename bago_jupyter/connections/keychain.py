"""The operating system's keyring, asked in a child process.

A keyring may ask a question (to unlock it, or for a password on the terminal), wait on a D-Bus service
that does not answer, or load a plugin that takes seconds. A child without a terminal can do none of that to
the node: after :data:`TIMEOUT` it is ended, and counts as a keyring that does not work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from pathlib import Path
from typing import Any

import msgspec

log = logging.getLogger("bago.connections")

SERVICE = "bago-jupyter"
TIMEOUT = 4.0
_CHILD = Path(__file__).with_name("keychain_child.py")


class Asked(msgspec.Struct):
    """One line on the child's stdin."""

    what: str
    """``works``, ``get``, ``put`` or ``forget``."""
    service: str = SERVICE
    name: str = ""
    text: str = ""

    def __repr__(self) -> str:
        return f"Asked({self.what}, {self.name})"


class Said(msgspec.Struct):
    """One line on the child's stdout; ``text`` only where it was asked for."""

    ok: bool
    text: str | None = None

    def __repr__(self) -> str:
        return f"Said({self.ok})"


class Keychain:
    """The keyring of one user. Belongs to one loop. Never raises: what fails does not work."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._works: bool | None = None

    async def works(self) -> bool:
        """Whether there is a keyring that keeps secrets without asking anybody; found out once."""
        if self._works is None:
            self._works = (await self._ask(Asked(what="works"))).ok
        return self._works

    async def put(self, name: str, text: str) -> bool:
        """Keep ``text`` under ``name``; whether that worked."""
        return await self.works() and (await self._ask(Asked(what="put", name=name, text=text))).ok

    async def get(self, name: str) -> str | None:
        """What is kept under ``name``."""
        return (await self._ask(Asked(what="get", name=name))).text

    async def forget(self, name: str) -> None:
        """Keep nothing under ``name``."""
        await self._ask(Asked(what="forget", name=name))

    async def _ask(self, asked: Asked) -> Said:
        options: dict[str, Any] = {} if sys.platform == "win32" else {"start_new_session": True}
        process = None
        try:
            async with asyncio.timeout(self._timeout):
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",
                    str(_CHILD),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    **options,
                )
                out, _ = await process.communicate(msgspec.json.encode(asked) + b"\n")
            return msgspec.json.decode(out, type=Said)
        except (TimeoutError, OSError, msgspec.DecodeError) as error:
            log.debug("The keyring does not work: %s", type(error).__name__)
            return Said(ok=False)
        finally:
            if process is not None and process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
