"""A real Backend.AI manager with its database, Redis and etcd, and no agent.

The proxy before its services is a stand-in (:mod:`manager`'s): the real one needs Python 3.13.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .environments import environment
from .running import answers, free_port, listens, process

REQUIREMENTS = ("backend.ai-manager==23.9.10", "backend.ai-client==23.9.10", "setuptools<81")
THEN = ("yarl==1.9.4",)
"""Newer ones make every request a 500."""
PLACES = ("/usr/lib/postgresql/*/bin",)
FILES = Path(__file__).with_name("backend_ai")
_VOLUMES = """{"_types":{"user":"","group":""},"default_host":"local:volume1","proxies":{"local":
{"client_api":"http://127.0.0.1:1","manager_api":"http://127.0.0.1:1","secret":"x","ssl_verify":"false"}}}"""


class Cluster:
    """Where it is, and how to set its database otherwise."""

    def __init__(self, folder: Path, service: int, proxy: int):
        self.folder = folder
        names = ("ETCD", "PEER", "DATABASE", "REDIS", "MANAGER", "TERMUI", "WEBUI")
        self.ports = {name: free_port() for name in names} | {"SERVICE": service, "PROXY": proxy}
        self.url = f"http://127.0.0.1:{self.ports['MANAGER']}"
        self.python = environment("backend-ai", *REQUIREMENTS, then=THEN)
        self.programs = {
            name: program(name) for name in ("initdb", "postgres", "psql", "redis-server", "etcd")
        }

    def fill(self, name: str) -> None:
        """Write a file of the set-up with the ports of this one."""
        text = (FILES / name).read_text()
        for port, number in self.ports.items():
            text = text.replace(f"@{port}@", str(number))
        (self.folder / name).write_text(text)

    def say(self, *statements: str) -> None:
        """Run SQL."""
        where = [
            "-h",
            "127.0.0.1",
            "-p",
            str(self.ports["DATABASE"]),
            "-U",
            "postgres",
            "-v",
            "ON_ERROR_STOP=1",
        ]
        for statement in statements:
            self.run([self.programs["psql"], *where, "-q", "-d", "backend", "-c", statement])

    def manage(self, *words: str) -> None:
        self.run([self.python, "-m", "ai.backend.manager.cli", *words])

    def run(self, command: list[str | Path], **how: object) -> None:
        """Run ``command`` here; what it says is shown where it fails."""
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=300, **how)
        assert done.returncode == 0, f"{command}: {(done.stdout + done.stderr)[-3000:]}"

    @contextmanager
    def manager(self) -> Iterator[subprocess.Popen[bytes]]:
        """The manager alone; database, Redis and etcd run already."""
        command = [self.python, "-m", "ai.backend.manager.server", "-f", "manager.toml"]
        env = {"DOCKER_HOST": "tcp://127.0.0.1:1"}
        log = self.folder / "manager.log"
        with process(
            command, log, lambda: answers(self.url + "/"), seconds=120, env=env, cwd=self.folder
        ) as child:
            yield child


@contextmanager
def cluster(folder: Path, service: int, proxy: int) -> Iterator[Cluster]:
    """Everything but the manager. Services are listed at port ``service``, and tokens come from ``proxy``."""
    made = Cluster(folder, service, proxy)
    ports, programs = made.ports, made.programs
    data = folder / "database"
    data.mkdir()
    (folder / "fixtures").mkdir()
    (folder / "ipc").mkdir()
    user: dict[str, object] = {}
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        shutil.chown(data, "postgres")
        for above in (folder, *folder.parents):
            if above.stat().st_uid == 0 and above != Path("/"):
                above.chmod(above.stat().st_mode | 0o011)
        user = {"user": "postgres"}
    with ExitStack() as stack:
        made.run([programs["initdb"], "-A", "trust", "-U", "postgres", "-D", str(data)], **user)
        database = [
            programs["postgres"],
            "-D",
            str(data),
            "-p",
            str(ports["DATABASE"]),
            "-h",
            "127.0.0.1",
            "-k",
            "",
        ]
        etcd: list[str | Path] = [programs["etcd"], "--data-dir", str(folder / "etcd")]
        for kind, name in (("client", "ETCD"), ("peer", "PEER")):
            here = f"http://127.0.0.1:{ports[name]}"
            advertise = "advertise-client" if kind == "client" else "initial-advertise-peer"
            etcd += [f"--listen-{kind}-urls", here, f"--{advertise}-urls", here]
        etcd += ["--initial-cluster", f"default=http://127.0.0.1:{ports['PEER']}"]
        redis = [programs["redis-server"], "--port", str(ports["REDIS"]), "--bind", "127.0.0.1", "--save", ""]
        for name, command, how in (
            ("DATABASE", database, user),
            ("ETCD", etcd, {}),
            ("REDIS", redis, {}),
        ):
            port, log = ports[name], folder / f"{name.lower()}.log"
            stack.enter_context(
                process(command, log, lambda port=port: listens(port), seconds=60, cwd=folder, **how)
            )
        where = ["-h", "127.0.0.1", "-p", str(ports["DATABASE"]), "-U", "postgres"]
        made.run([programs["psql"], *where, "-d", "postgres", "-c", "create database backend"])
        for name in ("manager.toml", "alembic.ini", "seed.sql"):
            made.fill(name)
        (folder / "volumes.json").write_text(_VOLUMES)
        keys = "import zmq.auth; zmq.auth.create_certificates('fixtures', 'manager')"
        made.run([made.python, "-c", keys])
        made.manage("schema", "oneshot")
        made.manage("etcd", "put", "config/redis/addr", f"127.0.0.1:{ports['REDIS']}")
        made.manage("etcd", "put-json", "volumes", "volumes.json")
        made.run([programs["psql"], *where, "-v", "ON_ERROR_STOP=1", "-q", "-d", "backend", "-f", "seed.sql"])
        yield made


def program(name: str) -> str:
    """Where a program of the system is. Skips the test where it is not."""
    for place in PLACES:
        for found in sorted(Path("/").glob(f"{place[1:]}/{name}")):
            return str(found)
    found = shutil.which(name)
    if found is None:
        pytest.skip(
            f"{name} is not on this machine; it is in Debian's postgresql, redis-server or etcd-server"
        )
    return found
