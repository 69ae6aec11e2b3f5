"""Trying a connection hop by hop: which part of the way works, how long it takes, and what to do where it
does not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Literal, TypeVar

import msgspec

from ..backends.modellist import NotAList
from ..backends.probing import PATHS
from ..backends.target import Target, split, trusting
from ..errors import BagoError, UpstreamFailed
from ..router.shape import Dialect
from ..wire import Hop
from .connection import Connection
from .listing import TIMEOUT, KeyRefused, NoList, Seen, Warming, look
from .speaking import dialects

T = TypeVar("T")
NAMED = 5
"""Models that a sentence names."""
CONNECT = 5.0
"""Seconds for each of name, TCP and TLS."""


class Stop(Exception):
    """A hop failed; those after it make no sense."""


class Trial(msgspec.Struct):
    """What was tried, and what it showed."""

    hops: list[Hop] = []
    seen: Seen | None = None
    native: frozenset[Dialect] | None = None

    @property
    def failed(self) -> Hop | None:
        """The hop that failed."""
        return next((hop for hop in self.hops if not hop.ok), None)

    @contextlib.contextmanager
    def hop(self, name: str) -> Iterator[list[str]]:
        """Time one hop; what is put into the list is told of it. Raises :class:`Stop` where it fails."""
        told: list[str] = []
        begin = time.monotonic()
        try:
            yield told
        except Failed as failure:
            self.hops.append(Hop(name=name, ok=False, seconds=time.monotonic() - begin, said=str(failure)))
            raise Stop from None
        self.hops.append(Hop(name=name, ok=True, seconds=time.monotonic() - begin, said=" ".join(told)))


class Failed(Exception):
    """What failed and what to do, in a sentence."""


async def try_out(connection: Connection, target: Target, timeout: float = TIMEOUT) -> Trial:
    """Go the whole way to the models of ``connection`` with the key of ``target``. Never raises for
    what is wrong there."""
    trial = Trial()
    with contextlib.suppress(Stop):
        await reach(trial, connection.url, min(timeout, CONNECT))
        await _ask(trial, connection, target, timeout)
    return trial


async def reach(trial: Trial, url: str, timeout: float = CONNECT) -> None:
    """The hops that every connection has: name, TCP and TLS. Raises :class:`Stop`."""
    host, port, secure, _ = split(url)
    loop = asyncio.get_running_loop()
    with trial.hop("name resolves") as told:
        found = await _within(
            timeout,
            loop.getaddrinfo(host, port, type=socket.SOCK_STREAM),
            lambda error: _unresolved(host, error),
        )
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        told.append(", ".join(addresses[:4]))
    with trial.hop("TCP connects") as told:
        address, sock = await _connected(addresses, port, timeout)
        told.append(f"{address} port {port}")
    if not secure:
        sock.close()
        return
    with trial.hop("TLS handshake") as told:
        try:
            transport, _ = await _within(
                timeout,
                loop.create_connection(asyncio.Protocol, ssl=trusting(), sock=sock, server_hostname=host),
                lambda error: _no_tls(host, port, error),
            )
        except BaseException:
            sock.close()
            raise
        tls = transport.get_extra_info("ssl_object")
        told.append(str(tls.version() if tls else ""))
        transport.abort()


async def _connected(addresses: Sequence[str], port: int, timeout: float) -> tuple[str, socket.socket]:
    loop = asyncio.get_running_loop()
    errors: list[str] = []
    end = loop.time() + timeout
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            # Of several addresses none may use up the time of the others.
            async with asyncio.timeout(max(0.2, (end - loop.time()) / (len(addresses) - len(errors)))):
                await loop.sock_connect(sock, (address, port))
            return address, sock
        except (OSError, TimeoutError) as error:
            sock.close()
            if isinstance(error, ConnectionRefusedError):
                errors.append(f"{address} port {port} refuses: nothing listens there. Is the server up?")
            elif isinstance(error, TimeoutError):
                errors.append(f"{address} port {port} does not answer; look at the address and firewalls.")
            else:
                errors.append(f"{address} port {port}: {error.strerror or error}.")
        except BaseException:
            sock.close()
            raise
    raise Failed(" ".join(errors[:2]))


async def _ask(trial: Trial, connection: Connection, target: Target, timeout: float) -> None:
    kind = connection.kind
    begin = time.monotonic()

    def passed(name: str, said: str = "") -> None:
        nonlocal begin
        now = time.monotonic()
        trial.hops.append(Hop(name=name, ok=True, seconds=now - begin, said=said))
        begin = now

    def fails(name: str, said: str, lacks: Literal["secret", "models"] | None = None) -> None:
        took = time.monotonic() - begin
        trial.hops.append(Hop(name=name, ok=False, seconds=took, said=said, lacks=lacks))
        raise Stop

    missing = None
    try:
        trial.seen = await look(target, kind, connection.name, timeout)
    except KeyRefused as error:
        passed("HTTP answers")
        fails("key accepted", _key_sentence(error, target), "secret")
    except NoList as error:
        missing = error.message
    except Warming as error:
        fails("HTTP answers", f"{_capital(error.message)}; try again in a while.")
    except NotAList as error:
        passed("HTTP answers")
        fails("models listed", error.message)
    except UpstreamFailed as error:
        fails("HTTP answers", error.message)
    passed("HTTP answers")
    try:
        native = kind.native
        if native is None or missing is not None:
            trial.native = await dialects(target, timeout, PATHS if native is None else native)
        passed("key accepted", _overheard(connection.url, target))
    except KeyRefused as error:
        fails("key accepted", _key_sentence(error, target), "secret")
    except UpstreamFailed as error:
        fails("HTTP answers", error.message)
    if missing is not None:
        if not trial.native or not connection.models:
            advice = "" if trial.native else " Is this the base URL of its API, such as http://host:8000/v1?"
            named = " Name its models." if trial.native else ""
            fails("models listed", missing + advice + named, "models" if trial.native else None)
        trial.seen = Seen((), time.monotonic() - begin)
    elif trial.seen is not None and trial.seen.models and connection.models:
        listed = {model.id for model in trial.seen.models}
        if not listed.intersection(connection.models):
            told = f"It lists no {', '.join(connection.models[:NAMED])}, only {_some(sorted(listed))}"
            fails("models listed", f"{told}; choose others.")
    count = len(trial.seen.models) if trial.seen else 0
    taken = "none; the named ones are used" if not count and connection.models else f"{count}"
    if not count and not connection.models:
        fails("models listed", "It lists none; load one there.")
    trial.hops.append(
        Hop(
            name="models listed",
            ok=True,
            seconds=0.0,
            said=taken,
        )
    )


async def _within(timeout: float, work: Awaitable[T], explain: Callable[[OSError | TimeoutError], str]) -> T:
    try:
        async with asyncio.timeout(timeout):
            return await work
    except (OSError, TimeoutError, UnicodeError) as error:
        raise Failed(explain(error if not isinstance(error, UnicodeError) else OSError())) from None


def _unresolved(host: str, error: OSError | TimeoutError) -> str:
    if isinstance(error, TimeoutError):
        return f"No answer about {host} from the name service in time; does this machine have a network?"
    return f"No machine is called {host}; look at its spelling, or give its address."


def _no_tls(host: str, port: int, error: OSError | TimeoutError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"Its certificate is not trusted: {error.verify_message}. Let this machine trust the one who "
            "signed it (SSL_CERT_FILE names a file of such certificates), or correct the name in the URL."
        )
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return f"{host} port {port} does not speak TLS; write http:// instead of https://."
    if isinstance(error, TimeoutError):
        return f"{host} port {port} does not answer the TLS handshake; does it speak TLS?"
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return f"The TLS handshake with {host} fails: {reason or 'it closed the connection'}."


def _key_sentence(error: BagoError, target: Target) -> str:
    if target.key is None:
        return f"{_capital(error.message)}; give it one."
    return f"{_capital(error.message)}; give another one."


def _some(models: list[str]) -> str:
    more = f" and {len(models) - NAMED} more" if len(models) > NAMED else ""
    return f"{', '.join(models[:NAMED]) or 'nothing'}{more}"


def _overheard(url: str, target: Target) -> str:
    """A warning where the key can be read on its way."""
    host, _, secure, _ = split(url)
    if target.key is None or secure or host in ("localhost", "::1") or host.startswith("127."):
        return ""
    return "It crosses the network unencrypted, for all there to read; use https:// if the server can."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
