"""All connections of a node: kept, followed, added, changed and removed."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ..backends import Dispatcher
from ..backends.target import split
from ..errors import InvalidRequest, NotFound, SettingsError, TrialFailed
from ..state import Home
from ..trust.secret import Secret
from ..wire import Hop
from .connected import Connected, Way
from .connection import MOST_SEEN, Connection, Store, checked
from .keychain import Keychain
from .secretstore import Kept, Secrets
from .secretstore import checked as checked_secret
from .traffic import Traffic
from .trial import Trial

TRIAL = 22.0
"""Seconds that a test may take in all, so that its answer reaches whoever asked."""
_LEADS = frozenset({"url", "key_env", "access_key", "domain", "version"})
"""What leads to another way when it changes."""


class Connections:
    """The connections of one node. Belongs to its loop.

    ``taken`` gives the names that nodes have, ``changed`` is called after every change of what is offered.
    """

    def __init__(
        self,
        home: Home,
        dispatcher: Dispatcher,
        *,
        taken: Callable[[], Iterable[str]],
        changed: Callable[[], None],
        keychain: Keychain | None = None,
    ):
        self._store = Store(home)
        self._secrets = Secrets(home, keychain)
        self._dispatcher = dispatcher
        self._taken = taken
        self._tell = changed
        self._connected: dict[str, Connected] = {}
        self._busy: set[str] = set()

    async def start(self) -> None:
        """Follow every connection that is kept. What is wrong with one keeps no node from starting."""
        for connection in self._store.all():
            kept = await self._key(connection)
            self._follow(self._make(connection, kept))

    async def stop(self) -> None:
        """Follow none any longer."""
        await asyncio.gather(*(entry.stop() for entry in self._connected.values()))

    def all(self) -> list[Connected]:
        """Every connection, by name."""
        return [self._connected[name] for name in sorted(self._connected)]

    def get(self, name: str) -> Connected:
        """The connection ``name``. Raises :class:`NotFound`."""
        found = self._connected.get(name)
        if found is None:
            known = f" There are: {', '.join(sorted(self._connected))}." if self._connected else ""
            raise NotFound(f"There is no connection {name!r}.{known}")
        return found

    @property
    def keyed(self) -> bool:
        """Whether one of them is used with a key."""
        return any(entry.source != "none" for entry in self._connected.values())

    async def add(
        self, connection: Connection, secret: Secret | None = None, *, force: bool = False
    ) -> Connected:
        """Try ``connection``, keep it and follow it. With ``force`` it is kept whatever the trial says.

        Raises :class:`SettingsError`, :class:`InvalidRequest` for a name that is taken, and
        :class:`TrialFailed` with the hop that failed.
        """
        connection = checked(connection)
        name = connection.name
        if name in self._connected or name in self._busy:
            raise InvalidRequest(f"There is a connection {name} already; change it, or take another name.")
        if name.casefold() in {taken.casefold() for taken in self._taken()}:
            raise InvalidRequest(f"A node is called {name}; {name}/MODEL would mean both. Take another name.")
        with self._alone(name):
            kept = await self._given(connection, secret, stored=False)
            made = self._make(connection, kept)
            try:
                trial = await self._try(made)
                if trial.failed is not None and not force:
                    raise _sentence(f"{name} is not added", trial)
                known = {found.id for found in made.way.found}
                unknown = [model for model in connection.models or () if model not in known]
                if unknown and not force:
                    raise _lists_no(name, unknown)
                await self._secrets.forget(name)  # of another one of that name, which a damaged file lost
                made.source = await self._keep(connection, secret, kept)
                self._store.put(made.connection)
            except BaseException:
                await made.close()
                raise
            self._follow(made)
        return made

    async def update(
        self,
        name: str,
        changes: dict[str, Any],
        secret: Secret | msgspec.UnsetType | None = msgspec.UNSET,
        *,
        force: bool = False,
    ) -> Connected:
        """Change settings. Another place or key is tried first, as when adding.

        A ``secret`` of ``None`` forgets the key. A key goes to another host only when it is given again:
        it was given for the one before. Raises as :meth:`add` does.
        """
        entry = self.get(name)
        if isinstance(secret, Secret) and "key_env" not in changes:
            changes = {**changes, "key_env": None}
        if "url" in changes or "key_env" in changes:
            changes = {**changes, "native": None, "seen": None}
        wanted = checked(msgspec.structs.replace(entry.connection, **changes))
        if secret is msgspec.UNSET and not _LEADS & changes.keys():
            return self._changed_to(entry, wanted)
        with self._alone(name):
            new = secret if isinstance(secret, Secret) else None
            kept = await self._given(wanted, new, stored=secret is not None)
            if secret is msgspec.UNSET and "key_env" not in changes:
                _check_follows(entry.connection, wanted, kept)
            made = self._make(wanted, kept)
            try:
                trial = await self._try(made)
                if trial.failed is not None and not force and wanted.enabled:
                    raise _sentence(f"{name} is not changed", trial)
                if secret is None:
                    await self._secrets.forget(name)
                source = await self._keep(wanted, new, kept)
                # What was changed while it was tried stays so.
                learnt = {"native": made.connection.native, "seen": made.connection.seen}
                changed = msgspec.structs.replace(entry.connection, **{**changes, **learnt})
                self._store.put(changed)
            except BaseException:
                await made.close()
                raise
            entry.lead(made.way, source)
            entry.trial = trial
        entry.look_now()
        entry.update(changed)
        return entry

    def select(self, name: str, models: list[str] | None) -> Connected:
        """Use only ``models`` of a connection, or all. Raises :class:`InvalidRequest` for unknown ones."""
        entry = self.get(name)
        known = {found.id for found in entry.way.found}
        unknown = [model for model in models or () if model not in known]
        if unknown and known:
            raise _lists_no(name, unknown)
        return self._changed_to(entry, checked(msgspec.structs.replace(entry.connection, models=models)))

    def toggle(self, name: str, enabled: bool | None = None) -> Connected:
        """Switch a connection on or off, or over."""
        entry = self.get(name)
        wanted = not entry.connection.enabled if enabled is None else enabled
        return self._changed_to(entry, msgspec.structs.replace(entry.connection, enabled=wanted))

    async def try_out(self, name: str) -> Trial:
        """Go there hop by hop, now. Raises :class:`NotFound`."""
        return await self._try(self.get(name))

    async def try_all(self) -> None:
        """Go to all of them hop by hop, side by side."""
        await asyncio.gather(*(self._try(entry) for entry in self.all()), return_exceptions=True)

    async def remove(self, name: str) -> None:
        """Forget a connection and its key; what runs there may end. Raises :class:`NotFound`."""
        entry = self.get(name)
        with self._alone(name):
            self._store.remove(name)
            del self._connected[name]
            self._dispatcher.remove(entry.id)
            self._tell()
            await entry.stop()
            await self._secrets.forget(name)

    # -- inside

    def _changed_to(self, entry: Connected, connection: Connection) -> Connected:
        self._store.put(connection)
        entry.update(connection)
        return entry

    def _follow(self, entry: Connected) -> None:
        self._connected[entry.connection.name] = entry
        self._dispatcher.add(entry)
        self._dispatcher.books.listeners[entry.id] = entry.heard
        self._measured(entry)
        entry.start()
        self._tell()

    def _make(self, connection: Connection, kept: Kept | None) -> Connected:
        return Connected(
            connection,
            _way(connection, kept.secret if kept else None),
            kept.source if kept else "none",
            Traffic(self._dispatcher, f"{connection.type}:{connection.name}"),
            self._told,
        )

    def _told(self, entry: Connected, news: bool) -> None:
        before, native = entry.connection, entry.way.native
        if native is not None and before.kind.native is None:
            entry.connection = msgspec.structs.replace(entry.connection, native=sorted(native))
        if entry.state.state == "healthy" and not before.kind.cluster:
            seen = sorted(found.id for found in entry.way.found)[:MOST_SEEN]
            entry.connection = msgspec.structs.replace(entry.connection, seen=seen)
        if entry.connection != before and self._connected.get(before.name) is entry:
            self._store.put(entry.connection)
        if self._connected.get(entry.connection.name) is entry:
            self._measured(entry)
            if news:
                self._tell()

    def _measured(self, entry: Connected) -> None:
        if entry.state.latency is not None:
            self._dispatcher.latencies[entry.id] = entry.state.latency

    async def _try(self, entry: Connected) -> Trial:
        try:
            async with asyncio.timeout(TRIAL):
                return await entry.try_out()
        except TimeoutError:
            slow = Hop(name="whole way", ok=False, seconds=TRIAL, said=f"It took more than {TRIAL:.0f} s.")
            entry.trial = Trial([slow])
            return entry.trial

    async def _key(self, connection: Connection) -> Kept | None:
        try:
            return await self._secrets.get(connection.name, connection.key_env, connection.kind.key_env)
        except SettingsError:  # the variable holds something that no server could be sent
            return None

    async def _given(
        self, connection: Connection, secret: Secret | None, *, stored: bool = True
    ) -> Kept | None:
        """The key to use from now on: of the named variable, as it is given now, as it is ``stored``, or of
        the usual variable."""
        named, usual = connection.key_env, connection.kind.key_env
        if secret is not None and not (named and os.environ.get(named, "").strip()):
            return Kept(checked_secret(secret.reveal()), "given")
        kept = await self._secrets.get(connection.name if stored else "", named, usual)
        if kept is None and connection.kind.cluster and not connection.key_env:
            raise SettingsError(
                "A cluster needs its secret key, or the environment variable that holds it.",
                param="secret",
            )
        if kept is None and connection.key_env:
            raise SettingsError(
                f"The environment variable {connection.key_env} is not set where the node runs.",
                param="key_env",
            )
        return kept

    async def _keep(self, connection: Connection, secret: Secret | None, kept: Kept | None) -> str:
        if kept is None:
            return "none"
        if kept.source != "given" or secret is None:
            return kept.source
        return await self._secrets.put(connection.name, secret)

    @contextlib.contextmanager
    def _alone(self, name: str) -> Any:
        if name in self._busy:
            raise InvalidRequest(f"{name} is being changed; try again in a moment.")
        self._busy.add(name)
        try:
            yield
        finally:
            self._busy.discard(name)


def _way(connection: Connection, secret: Secret | None) -> Way:
    if connection.kind.cluster:
        from .clustered import ClusterWay

        return ClusterWay(connection, secret)
    from .plain import PlainWay

    return PlainWay(connection, secret)


def _lists_no(name: str, models: list[str]) -> InvalidRequest:
    shown = ", ".join(model if model and model.isprintable() else repr(model) for model in models)
    return InvalidRequest(f"{name} lists no {shown}.", param="models")


def _check_follows(before: Connection, wanted: Connection, kept: Kept | None) -> None:
    """Raises :class:`InvalidRequest` where a key would go to a host for which nobody gave it."""
    (old, _, was_secure, _), (new, _, is_secure, _) = split(before.url), split(wanted.url)
    if kept is None or wanted.kind.cluster or kept.source == f"environment {wanted.kind.key_env}":
        return  # a cluster's secret key signs, and is never sent
    if new != old or (was_secure and not is_secure):
        raise InvalidRequest(
            f"The key of {wanted.name} was given for {before.url}; to send it to {wanted.url}, give it "
            "again, or have it forgotten.",
            param="secret",
        )


def _sentence(what: str, trial: Trial) -> TrialFailed:
    hop = trial.failed
    assert hop is not None
    passed = ", ".join(f"{entry.name} ok" for entry in trial.hops if entry.ok)
    return TrialFailed(
        f"{what}: {hop.name}: no. {hop.said}{f' ({passed}.)' if passed else ''}", param=hop.lacks
    )
