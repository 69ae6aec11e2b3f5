"""The pulls that run on a node, whoever began them: how far each is, and how to end one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec

from ..errors import BagoError, NotFound, Overloaded, PullCancelled
from ..text import clean
from ..wire import Progress, PullInfo, PullRequest, public_source
from .pull import Report, pull

FRAME = 0.25
"""Seconds between two reports of the progress of one pull, at least."""
OF_PEERS = 4
"""Pulls that peers can have under way here at once, all of them together."""
LONGEST = 300
"""Characters that are shown of what was asked for: a peer may ask, too."""


class Pulls:
    """Runs pulls into ``folder``. Belongs to the node's loop.

    ``changed`` is called when one begins, at most once a :data:`FRAME` while it makes progress, and when it
    ends; only then its state is not ``running``.
    """

    def __init__(self, folder: Path, changed: Callable[[PullInfo], None]):
        self._folder = folder
        self._tell = changed
        self._running: dict[str, tuple[PullInfo, asyncio.Task[str]]] = {}
        self._cancelled: set[str] = set()
        self._of_peers: set[str] = set()

    def all(self) -> list[PullInfo]:
        """Those that run, the oldest first."""
        return [info for info, _ in self._running.values()]

    async def run(
        self,
        wanted: PullRequest,
        by: str,
        progress: Report = lambda _: None,
        *,
        by_peer: bool = False,
    ) -> str:
        """Pull a model on behalf of caller ``by``, as :func:`~.pull.pull` does, and return its id.

        Raises as that does, :class:`PullCancelled` when it is ended by :meth:`cancel`, and
        :class:`Overloaded` where peers began :data:`OF_PEERS` already.
        """
        if by_peer and len(self._of_peers) >= OF_PEERS:
            raise Overloaded(
                f"This node pulls {OF_PEERS} models for its peers already; ask again when one is there.",
                retry_after=30,
            )
        source = clean(public_source(wanted.source), LONGEST)
        name = clean(wanted.name, LONGEST) if wanted.name is not None else None
        info = PullInfo(id=secrets.token_hex(4), source=source, name=name, by=by)
        steps = _Steps(info, self._changed)

        def report(step: Progress) -> None:
            steps.report(step)
            progress(step)

        work = pull(
            wanted.source,
            self._folder,
            name=wanted.name,
            sha256=wanted.sha256,
            progress=report,
            by_peer=by_peer,
        )
        task = asyncio.ensure_future(work)
        self._running[info.id] = info, task
        if by_peer:
            self._of_peers.add(info.id)
        self._changed(info)
        try:
            info.model = await task
            info.state = "done"
            return info.model
        except asyncio.CancelledError:
            info.state = "cancelled"
            if info.id in self._cancelled and not _cancelled_itself():
                raise PullCancelled("The pull was cancelled; what arrived is kept for the next.") from None
            raise  # whoever began it went away
        except BagoError as error:
            info.state, info.error = "failed", error.message
            raise
        except BaseException:
            info.state = "failed"
            raise
        finally:
            steps.close()
            self._cancelled.discard(info.id)
            self._of_peers.discard(info.id)
            del self._running[info.id]
            self._changed(info)

    def cancel(self, id: str) -> None:
        """End a pull; what has arrived is kept. Raises :class:`NotFound`."""
        if id not in self._running:
            raise NotFound("That pull is over.")
        self._cancelled.add(id)
        self._running[id][1].cancel()

    def _changed(self, info: PullInfo) -> None:
        self._tell(msgspec.structs.replace(info))  # whoever listens may look at it later


class _Steps:
    """Takes every step of a pull, and reports the latest now and then."""

    def __init__(self, info: PullInfo, changed: Callable[[PullInfo], None]):
        self._info = info
        self._changed = changed
        self._due: asyncio.TimerHandle | None = None
        self._news = False
        self._closed = False

    def report(self, step: Progress) -> None:
        if self._closed:  # a worker's last words
            return
        self._info.progress = step
        self._news = True
        if self._due is None:
            self._tell()

    def close(self) -> None:
        self._closed = True
        if self._due is not None:
            self._due.cancel()

    def _tell(self) -> None:
        self._due = None
        if not self._news:
            return
        self._news = False
        self._due = asyncio.get_running_loop().call_later(FRAME, self._tell)
        self._changed(self._info)


def _cancelled_itself() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
