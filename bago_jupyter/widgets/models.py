"""The models of this node and of all others: bring them, load them, share them, delete them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from .. import loops
from ..client import AsyncNodeClient, NodeClient
from ..errors import BagoError, InvalidRequest, NotFound
from ..events import AnyEvent, PullProgress, RunnerChanged
from ..wire import ModelInfo, PullInfo, public_source
from . import catalogue, sections
from .base import bundle
from .jobs import Job, Jobs
from .live import LiveView
from .plain import size

STARTERS = (
    {"name": "smollm2", "size": 98_000_000, "note": "SmolLM2 135M, Apache 2.0"},
    {"name": "gemma3", "size": 230_000_000, "note": "Gemma 3 270M, completes text only, Gemma Terms of Use"},
)
"""What comes from the package index, so without an account: name, bytes to download, what it is."""

_COLUMNS = ("model", "state", "format", "quantisation", "parameters", "context", "size", "error")


class ModelsView(LiveView):
    """The models of every node, grouped by the node that has them.

    It goes on with pulls and loads when it is closed, and shows them again; a cancelled pull keeps what has
    arrived, so that the next one goes on from there. ``close()`` ends them.
    """

    _esm = bundle("models.js")
    _css = bundle("models.css")

    def __init__(self, client: NodeClient, **traits: Any):
        self._caller = client.caller
        self._jobs = Jobs(self._moved, self._ended)
        super().__init__(client, **traits)

    def gather(self, client: NodeClient) -> Any:
        pulls = [msgspec.to_builtins(pull) for pull in client.pulls()]
        return {**catalogue.read(client), "starters": STARTERS, "pulls": pulls}

    def concerns(self, event: AnyEvent) -> bool:
        if isinstance(event, PullProgress):
            return event.pull.progress is None or event.pull.state != "running"
        return super().concerns(event) and not _moving(event)

    def passing(self, event: AnyEvent) -> dict[str, Any] | None:
        if isinstance(event, PullProgress):
            self._pulled(event.pull)
            self._moved()  # now: with the frame it could come after the state in which the job has ended
            return None
        if not isinstance(event, RunnerChanged) or not _moving(event):
            return None
        return {"runner": msgspec.to_builtins(event.runner)}

    async def respond(self, kind: str, request: dict[str, Any]) -> Any:
        """``pull`` a source, ``load``, ``unload``, ``share`` and ``remove`` a model, each ``on`` a node;
        ``cancel``, ``again`` and ``dismiss`` a job, of which a pull that somebody else began has only the
        first."""
        match kind:
            case "pull":
                await self._pull(_text(request, "source"), request)
            case "load":
                await self._load(_text(request, "model"), request)
            case "cancel":
                await self._cancel(request.get("job"))
            case "again":
                self._jobs.again(_number(request))
            case "dismiss":
                self._jobs.dismiss(_number(request))
                self.publish(self._content())
            case "unload" | "share" | "remove":
                await self._change(kind, _text(request, "model"), request)
            case _:
                return await super().respond(kind, request)
        return None

    def plain(self) -> str:
        return sections.plain(*self._listed())

    def html(self) -> str:
        return sections.html(*self._listed())

    def close(self) -> None:
        """Remove every view, and end what they have begun."""
        if hasattr(self, "_jobs"):
            with suppress(RuntimeError):  # the loop may have ended before
                loops.background().loop.call_soon_threadsafe(self._jobs.close)
        super().close()

    async def _pull(self, source: str, request: dict[str, Any]) -> None:
        on, node = self._where(request)
        name = request.get("name") or None
        wanted = source if on else _absolute(source)

        async def work(step: Any) -> ModelInfo:
            async with await self._own() as client:
                return await client.pull(wanted, name=name, on=on or None, on_progress=step)

        self._jobs.begin("pull", public_source(source), on, node, work, name=name)

    async def _load(self, model: str, request: dict[str, Any]) -> None:
        on, node = self._where(request)
        context = request.get("context_length")
        if context is not None and (not isinstance(context, int) or context < 1):
            raise InvalidRequest("The context is a whole number of tokens.", param="context_length")

        async def work(step: Any) -> ModelInfo:
            async with await self._own() as client:
                options = {} if context is None else {"context_length": context}
                return await client.load(model, on=on or None, on_progress=step, **options)

        self._jobs.begin("load", model, on, node, work)

    async def _cancel(self, id: Any) -> None:
        if isinstance(id, str):
            await (await self.client()).cancel_pull(id)
            return
        job = await self._jobs.cancel(id)
        if job.kind == "load":
            # A load goes on when those who wait for it leave.
            with suppress(BagoError):
                await (await self.client()).unload(job.what, on=job.on or None)
            await self.renew()

    async def _change(self, kind: str, model: str, request: dict[str, Any]) -> None:
        client = await self.client()
        on, _ = self._where(request)
        try:
            if kind == "unload":
                await client.unload(model, on=on or None)
            elif on:
                raise InvalidRequest("Only its owner can share or delete a model of another node.")
            elif kind == "share":
                await client.share(model, request.get("shared") is True)
            else:
                await client.remove(model)
        finally:
            await self.renew()

    def _where(self, request: dict[str, Any]) -> tuple[str, str]:
        """Fingerprint (empty is this node) and name of the node that a request is for."""
        on = request.get("on") or ""
        for group in (self._view or {}).get("groups", ()):
            if group["kind"] in ("own", "peer") and group["id"] == on:
                return group["id"], group["name"]
        if on:
            raise NotFound("That node is not paired any more.")
        return "", ""

    async def _own(self) -> AsyncNodeClient:
        # The pump's client ends with the last view; a pull does not.
        return AsyncNodeClient((await self.client()).node, caller=self._caller)

    def _moved(self) -> None:
        self.push({"kind": "jobs", "jobs": self._shown_jobs()})

    def _pulled(self, pull: PullInfo) -> None:
        """Take the news of a pull of this node."""
        if self._view is not None:
            others = [old for old in self._view["pulls"] if old["id"] != pull.id]
            running = [msgspec.to_builtins(pull)] if pull.state == "running" else []
            self._view = {**self._view, "pulls": others + running}

    def _shown_jobs(self) -> list[dict[str, Any]]:
        """The jobs of this view, and the pulls of this node that it has not begun."""
        jobs = self._jobs.shown()
        mine = {
            (job["what"], job["name"])
            for job in jobs
            if job["kind"] == "pull" and not job["on"] and job["state"] == "running"
        }  # what a model is pulled from and called is its id, and no model is pulled twice at once
        view = self._view or {"pulls": []}
        pulls = [pull for pull in view["pulls"] if (pull["source"], pull["name"]) not in mine]
        return jobs + [_foreign(pull, view["name"]) for pull in pulls]

    def _ended(self, job: Job, model: ModelInfo | None) -> None:
        self.publish(self._content())
        if model is not None:
            done = "is in the library of" if job.kind == "pull" else "is loaded on"
            self.push({"kind": "note", "note": f"{model.id} {done} {job.node}."})
        self.watched()

    def _listed(self) -> tuple[str, list[sections.Section], str | None]:
        view = self._view
        if view is None:
            return "Models", [], self._down
        tables = [
            sections.Section(group["name"], _COLUMNS, [_row(model) for model in group["models"]])
            for group in view["groups"]
        ]
        return f"Models of {view['name']} and its mesh", tables, self._down

    def _content(self) -> dict[str, Any]:
        return {**super()._content(), "jobs": self._shown_jobs()}


def _absolute(source: str) -> str:
    """A path is made absolute: the node may run in another directory."""
    try:
        path = Path(source).expanduser()
        return str(path.absolute()) if "/" in source and path.exists() else source
    except (OSError, RuntimeError, ValueError):  # the node says what is wrong with it
        return source


def _moving(event: AnyEvent) -> bool:
    return isinstance(event, RunnerChanged) and event.runner.state == "loading"


def _foreign(pull: dict[str, Any], node: str) -> dict[str, Any]:
    """A pull that somebody else began, as a job."""
    step = pull["progress"] or {"stage": None, "done": 0, "total": None, "unit": "B", "message": None}
    kept = {name: pull[name] for name in ("id", "name", "state", "error", "by")}
    return {**kept, **step, "kind": "pull", "what": pull["source"], "on": "", "node": node}


def _row(model: dict[str, Any]) -> list[str]:
    facts = ("id", "state", "format", "quantization", "parameters", "context_length")
    values = [model[name] for name in facts]
    return [
        *("" if value is None else str(value) for value in values),
        size(model["size"]),
        model["error"] or "",
    ]


def _text(request: dict[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(f"Which {name}?", param=name)
    return value.strip()


def _number(request: dict[str, Any]) -> int:
    value = request.get("job")
    return value if isinstance(value, int) else -1
