"""A real network on one machine: hosts are network namespaces on one bridge.

Needs root, iproute2 and, for loss and firewalls, nftables. Nothing of it touches the machine's own network,
and names carry the process id, so that runs side by side do not meet.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

PREFIX = "bago"
CLONE_NEWNET = 0x40000000
_made = 0


def run(*command: str, check: bool = True, stdin: str | None = None) -> str:
    """Run a command to its end and return what it printed."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=170)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@functools.cache
def missing(*programs: str) -> str | None:
    """Why there can be no network here, or ``None``."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    for program in ("ip", *programs):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    name = f"{PREFIX}{os.getpid()}try"
    try:
        run("ip", "netns", "add", name)
        run("ip", "netns", "del", name)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return f"no network namespaces: {error}"
    return None


def needs(*programs: str) -> None:
    """Skip the test where there is no network to be had, or no ``programs``."""
    reason = missing(*programs)
    if reason:
        pytest.skip(reason)


class Process:
    """A process on a host, and the lines it has printed."""

    def __init__(self, command: list[str], environ: dict[str, str] | None = None):
        self.popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
        )
        self.pid = self.popen.pid
        self.lines: list[tuple[float, str]] = []
        """What it printed, with the time (``time.monotonic()``, which all hosts share) of each line."""
        self.errors: list[str] = []
        self.info: dict[str, Any] = {}
        """Of a node: what it printed when it was up."""
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(self.popen.stdout, self._line), daemon=True),
            threading.Thread(target=self._read, args=(self.popen.stderr, self.errors.append), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def send(self, **message: Any) -> None:
        """Write one JSON line to its stdin."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps(message) + "\n")
        self.popen.stdin.flush()

    def wait_for(
        self, match: Callable[[dict[str, Any]], bool], timeout: float = 30.0, since: int = 0
    ) -> dict[str, Any]:
        """The first JSON line from number ``since`` on that ``match`` accepts, with when it came (``at``)."""
        deadline = time.monotonic() + timeout
        at = since
        with self._news:
            while True:
                while at < len(self.lines):
                    when, line = self.lines[at]
                    at += 1
                    message = json.loads(line) if line.startswith("{") else {"text": line}
                    if match(message):
                        return {"at": when, **message}
                left = deadline - time.monotonic()
                if left <= 0 or (self.popen.poll() is not None and not self._news.wait(0.2)):
                    raise AssertionError(
                        f"nothing of that kind within {timeout} s; exit {self.popen.poll()};"
                        f" lines {[line for _, line in self.lines[since:]]}; errors {self.errors[-20:]}"
                    )
                self._news.wait(min(left, 0.5))

    def signal(self, number: int) -> None:
        """Send a signal to it and to everything that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> float:
        """Kill -9; returns when."""
        at = time.monotonic()
        self.signal(signal.SIGKILL)
        self.popen.wait(30)
        return at

    def close(self, timeout: float = 3.0) -> None:
        """End it: by asking, then by force."""
        if self.popen.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(timeout)
        self.signal(signal.SIGKILL)
        self.popen.wait(30)
        for reader in self._readers:
            reader.join(2)
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _line(self, line: str) -> None:
        with self._news:
            self.lines.append((time.monotonic(), line))
            self._news.notify_all()

    def _read(self, stream: Any, take: Callable[[str], None]) -> None:
        with contextlib.suppress(ValueError):  # closed meanwhile
            for line in stream:
                take(line.rstrip("\n"))


class Lan:
    """``with Lan(3) as lan``: hosts 1 to 3, each with ``e0``: 10.77.1.n/24, fd77::n/64, link-local.

    ``check_duplicates`` leaves IPv6 duplicate address detection on: addresses then need 1 to 2 s, as in life.
    """

    def __init__(self, hosts: int, *, check_duplicates: bool = False):
        global _made
        needs()
        _made += 1
        self.name = f"{PREFIX}{os.getpid()}x{_made}"
        self.size = hosts
        self.folder = Path(tempfile.mkdtemp(prefix="bago-lan-"))
        self._duplicates = "1" if check_duplicates else "0"
        self._processes: list[Process] = []
        self._address = {host: f"10.77.1.{host}" for host in range(1, hosts + 1)}

    def __enter__(self) -> Lan:
        _sweep()
        try:
            run("ip", "netns", "add", self.switch)
            run("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
            run("ip", "-n", self.switch, "link", "set", "br0", "up")
            for host in range(1, self.size + 1):
                self._make(host)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def switch(self) -> str:
        return f"{self.name}sw"

    def namespace(self, host: int) -> str:
        return f"{self.name}h{host}"

    def address(self, host: int) -> str:
        """Its present IPv4 address."""
        return self._address[host]

    def home(self, host: int) -> Path:
        """A state directory of its own; it outlives the host's processes, not the network."""
        path = self.folder / f"home{host}"
        path.mkdir(exist_ok=True, mode=0o700)
        return path

    # -- processes

    def run(self, host: int, *command: str, check: bool = True, stdin: str | None = None) -> str:
        """Run a command on a host to its end and return what it printed."""
        return run("ip", "netns", "exec", self.namespace(host), *command, check=check, stdin=stdin)

    def start(self, host: int, *command: str, environ: dict[str, str] | None = None) -> Process:
        """Start a process on a host; it ends with the network at the latest."""
        process = Process(["ip", "netns", "exec", self.namespace(host), *command], environ)
        self._processes.append(process)
        return process

    def python(self, host: int, code: str | Path, *arguments: str, **environ: str) -> Process:
        """Start Python code, or a Python file, on a host."""
        given = [str(code)] if isinstance(code, Path) else ["-c", code]
        return self.start(host, sys.executable, "-u", *given, *arguments, environ=environ)

    def serve(
        self, host: int, *, timeout: float = 60.0, home: Path | None = None, **settings: Any
    ) -> Process:
        """Start a headless node and wait until it is up; ``info`` is the JSON object that it printed."""
        environ = {f"BAGO_{name.upper()}": str(value) for name, value in settings.items()}
        environ["BAGO_HOME"] = str(home or self.home(host))
        node = self.start(host, sys.executable, "-m", "bago_jupyter", "serve", environ=environ)
        node.info = node.wait_for(lambda message: "port" in message, timeout)
        return node

    @contextlib.contextmanager
    def inside(self, host: int) -> Iterator[None]:
        """Sockets that this thread opens meanwhile are the host's; they stay so afterwards."""
        libc = ctypes.CDLL(None, use_errno=True)
        with (
            Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net").open() as back,
            Path(f"/run/netns/{self.namespace(host)}").open() as there,
        ):
            _setns(libc, there.fileno())
            try:
                yield
            finally:
                _setns(libc, back.fileno())

    # -- weather

    def down(self, host: int) -> None:
        """Pull the cable, as the host sees it."""
        self._ip(host, "link", "set", "e0", "down")

    def up(self, host: int, address: str | None = None) -> None:
        """Plug it in again, at another IPv4 address if one is given (``10.77.1.x``)."""
        if address is not None and address != self._address[host]:
            self._ip(host, "addr", "del", f"{self._address[host]}/24", "dev", "e0")
            self._ip(host, "addr", "add", f"{address}/24", "dev", "e0")
            self._address[host] = address
        self._ip(host, "link", "set", "e0", "up")
        self._ip(host, "addr", "replace", f"fd77::{host}/64", "dev", "e0")
        self._ip(host, "route", "replace", "224.0.0.0/4", "dev", "e0")

    def plug(self, host: int) -> None:
        """Give the host a network card ``e0``; after ``ip link del e0`` a new one."""
        run(
            *("ip", "-n", self.switch, "link", "add", f"v{host}", "type", "veth"),
            *("peer", "name", "e0", "netns", self.namespace(host)),
        )
        run("ip", "-n", self.switch, "link", "set", f"v{host}", "master", "br0", "up")
        self._ip(host, "addr", "add", f"{self._address[host]}/24", "dev", "e0")
        self.up(host)

    def loss(self, host: int, share: float, *, both: bool = False) -> None:
        """Lose that share of what the host sends (``both``: and of what it is sent); 0 ends it."""
        needs("nft")
        ends = [(self.switch, f"v{host}")] + ([(self.namespace(host), "e0")] if both or not share else [])
        for namespace, device in ends:
            run(
                "ip",
                "netns",
                "exec",
                namespace,
                "nft",
                "delete",
                "table",
                "netdev",
                f"loss_{device}",
                check=False,
            )
            if share:
                hook = f"type filter hook ingress device {device} priority 0"
                rule = f"numgen random mod 1000 < {round(share * 1000)} drop"
                table = f"table netdev loss_{device} {{\nchain in {{\n{hook}\n{rule}\n}}\n}}\n"
                run("ip", "netns", "exec", namespace, "nft", "-f", "-", stdin=table)

    def block_udp_5353(self, host: int, blocked: bool = True) -> None:
        """A firewall on the host that lets no mDNS in or out."""
        needs("nft")
        self.run(host, "nft", "delete", "table", "inet", "nomdns", check=False)
        if blocked:
            chains = "".join(
                f"chain {hook} {{\ntype filter hook {hook} priority 0\nudp dport 5353 drop\n}}\n"
                for hook in ("input", "output")
            )
            self.run(host, "nft", "-f", "-", stdin=f"table inet nomdns {{\n{chains}}}\n")

    def close(self) -> None:
        """End every process and take the network down; nothing is left."""
        for process in reversed(self._processes):
            process.close()
        self._processes.clear()
        for name in [*(self.namespace(host) for host in range(1, self.size + 1)), self.switch]:
            run("ip", "netns", "del", name, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self, host: int) -> None:
        name = self.namespace(host)
        run("ip", "netns", "add", name)
        for place in ("all", "default"):
            self.run(host, "sysctl", "-qw", f"net.ipv6.conf.{place}.accept_dad={self._duplicates}")
        self._ip(host, "link", "set", "lo", "up")
        self.plug(host)

    def _ip(self, host: int, *words: str) -> None:
        run("ip", "-n", self.namespace(host), *words)


def _setns(libc: Any, descriptor: int) -> None:
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _sweep() -> None:
    """Remove what a run left that was killed."""
    for line in run("ip", "netns", "list").splitlines():
        found = re.match(rf"{PREFIX}(\d+)(x|try)", line)
        if found and not psutil.pid_exists(int(found[1])):
            run("ip", "netns", "del", line.split()[0], check=False)
