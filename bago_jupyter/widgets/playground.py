"""Chat with the models of the mesh, beside whatever the cells do."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any

import msgspec

from .. import loops
from ..client import AsyncNodeClient, NodeClient, Reply
from ..errors import BagoError, InvalidRequest
from ..events import AnyEvent, RunnerChanged
from . import catalogue, sampling, sections, transcript
from .base import bundle
from .conversation import Conversation, Turn, printable
from .live import LiveView

FRAME = 0.05
"""Seconds between two messages to the browser while an answer arrives."""
_UNSAVED = "The conversation is saved with the notebook only while the switch for that is on."
_log = logging.getLogger(__name__)


class Playground(LiveView):
    """A conversation with any model of the mesh; the options are those of :mod:`~.sampling`.

    The background loop reads the answers from the node's own API, so they go on arriving, and can be
    stopped, while a cell blocks the kernel. An answer goes on when the view is closed; ``close()`` stops it.

    The conversation is not saved with the notebook unless ``save`` is true or its switch is on. A cell's
    output is saved, but that is what a cell is for: one sees it in the file, and Clear Outputs removes it.
    What is typed into a form is not expected in a file that is shared and committed, and a widget's state
    lies in the notebook's metadata where nobody looks. So it stays in the kernel's memory
    (:attr:`conversation`), and reaches the page in custom messages, which are not stored. Where the record
    is the point, the switch puts all of it, parameters too, into the synced state, and the conversation into
    the static picture (:class:`~.twin.Twin`), which is stored whether the state is or not.
    """

    _esm = bundle("playground.js")
    _css = bundle("playground.css")

    def __init__(self, client: NodeClient, *, save: bool = False, **options: Any):
        given = {name: options.pop(name) for name in sampling.DEFAULTS if name in options}
        self.parameters = sampling.checked(given)
        self.conversation = Conversation()
        self._save = save
        self._caller = client.caller
        self._task: asyncio.Task[None] | None = None
        super().__init__(client, **options)

    def gather(self, client: NodeClient) -> Any:
        found = catalogue.read(client)
        return {"name": found["name"], "groups": catalogue.choices(found)}

    def concerns(self, event: AnyEvent) -> bool:
        loading = isinstance(event, RunnerChanged) and event.runner.state == "loading"
        return super().concerns(event) and not loading

    async def respond(self, kind: str, request: dict[str, Any]) -> Any:
        """``open`` gives the conversation; ``send``, ``edit`` (the last question), ``again`` (the last
        answer), ``stop`` and ``clear`` change it; ``set`` changes the parameters, ``save`` the switch;
        ``why`` gives the decision on a request."""
        if "parameters" in request:
            self.parameters = sampling.checked(request["parameters"])
        match kind:
            case "open":
                return self._whole()
            case "send":
                self._begin(self._idle().ask(request.get("text"), self._model()))
            case "edit":
                self._begin(self._idle().edit(request.get("text"), self._model(), request.get("of")))
            case "again":
                self._begin(self._idle().again(self._model()))
            case "stop":
                await self._stop()
            case "clear":
                await self._stop()
                self.conversation.clear()
                self._tell_all()
            case "set":
                self._kept()
            case "save":
                self._save = request.get("save") is True
                self.publish(self._content())
                self.twin.renew(now=True)
            case "why":
                client = await self.client()
                return msgspec.to_builtins(await client.why(str(request.get("request"))))
            case _:
                return await super().respond(kind, request)
        return None

    def plain(self) -> str:
        head = sections.plain(self._title(), [], self._down)
        return f"{head}\n{transcript.plain(*self._written()) or _UNSAVED}"

    def html(self) -> str:
        head = sections.html(self._title(), [], self._down)
        return head + (transcript.html(*self._written()) or f"<p>{_UNSAVED}</p>")

    def close(self) -> None:
        """Remove every view, and stop the answer that is being written."""
        if (task := getattr(self, "_task", None)) is not None:
            with suppress(RuntimeError):  # the loop may have ended before
                loops.background().loop.call_soon_threadsafe(task.cancel)
        super().close()

    # -- one answer

    def _idle(self) -> Conversation:
        if self._task is not None and not self._task.done():
            raise InvalidRequest("An answer is being written; stop it first.")
        return self.conversation

    def _model(self) -> str:
        return self.parameters["model"] or catalogue.default((self._view or {}).get("groups", []))

    def _begin(self, answer: Turn) -> None:
        messages = self.conversation.messages(self.parameters["system"])
        self._tell_all()
        options = sampling.options(self.parameters)
        self._task = asyncio.create_task(self._write(answer, messages, options), name="playground")

    async def _stop(self) -> None:
        """End the answer; returns when its connection is closed, which frees the slot."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _write(self, turn: Turn, messages: list[dict[str, Any]], options: dict[str, Any]) -> None:
        began = time.monotonic()
        reply: Reply | None = None
        try:
            # The pump's client ends with the last view; an answer does not.
            node = (await self.client()).node
            async with (
                AsyncNodeClient(node, caller=self._caller) as client,
                client.chat(messages, model=turn.model, **options) as (reply, pieces),
            ):
                turn.node, turn.request = reply.node, reply.request_id
                turn.attempts = int(reply.attempts) if (reply.attempts or "").isdecimal() else None
                self._tell(turn)
                telling = asyncio.create_task(self._tell_pieces(turn, reply))
                try:
                    async for _ in pieces:
                        if turn.first is None:
                            turn.first = time.monotonic() - began
                finally:
                    telling.cancel()
            turn.state = "done"
        except asyncio.CancelledError:
            turn.state = "stopped"
        except BagoError as error:
            turn.state, turn.error = "failed", error.message
            turn.request = turn.request or error.request
        except Exception as error:
            _log.exception("a chat failed")
            turn.state = "failed"
            turn.error = f"The chat failed: {type(error).__name__}; the kernel's log has more."
        _finish(turn, reply, time.monotonic() - began)
        self._tell(turn)
        self._kept()

    async def _tell_pieces(self, turn: Turn, reply: Reply) -> None:
        while True:
            await asyncio.sleep(FRAME)
            text, thought = printable(reply.text), printable(reply.reasoning)
            new = {"text": text[len(turn.text) :], "thought": thought[len(turn.thought) :]}
            if any(new.values()):
                turn.text, turn.thought = text, thought
                self.push({"kind": "piece", "of": turn.id, "at": turn.pieces, **new})
                turn.pieces += 1

    # -- what the browser is told

    def _tell(self, turn: Turn) -> None:
        self.push({"kind": "turn", "turn": msgspec.to_builtins(turn)})

    def _tell_all(self) -> None:
        self.push({"kind": "turns", **self._whole()})
        self._kept()

    def _kept(self) -> None:
        if self._save:
            self.publish(self._content())
            self.twin.renew(now=True)

    def _whole(self) -> dict[str, Any]:
        return {"turns": msgspec.to_builtins(self.conversation.turns), "parameters": self.parameters}

    def _content(self) -> dict[str, Any]:
        saved = self._whole() if self._save else None
        return {**super()._content(), "save": self._save, "saved": saved}

    def _title(self) -> str:
        return f"Playground of {(self._view or {}).get('name', '')}".removesuffix(" of ")

    def _written(self) -> tuple[list[Turn], str]:
        """What of the conversation may be stored: the turns and the system prompt."""
        turns = self.conversation.turns if self._save else []
        return turns, self.parameters["system"] if turns else ""


def _finish(turn: Turn, reply: Reply | None, seconds: float) -> None:
    turn.seconds = seconds
    if reply is None:
        return
    turn.text, turn.thought = printable(reply.text), printable(reply.reasoning)
    turn.cut = reply.finish_reason == "length"
    turn.tokens, turn.speed = reply.tokens, reply.speed
    if turn.speed is None and turn.tokens and turn.first is not None and turn.tokens > 1:
        turn.speed = (turn.tokens - 1) / max(seconds - turn.first, 1e-3)
