"""The network that the other tests stand on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from headless import until
from lan import Lan, run


@pytest.fixture
def lan():
    with Lan(2) as lan:
        yield lan


def ping(lan: Lan, host: int, address: str, count: int = 1, *, patience: float = 10.0) -> int:
    """Answers that came back; it stops waiting ``patience`` seconds after the last one."""
    out = lan.run(host, sys.executable, "-c", PING, address, str(count), str(patience))
    return int(out)


def nobody(lan: Lan, host: int, address: str) -> bool:
    """Whether nothing answers there."""
    return ping(lan, host, address, patience=0.3) == 0


PING = """
import socket, sys, time
address, count, patience = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(patience)
got = set()
try:
    for n in range(count):
        s.sendto(b'%d' % n, (address, 7777))
        time.sleep(0.001)  # no more than a socket holds
    while len(got) < count:
        got.add(s.recv(100))
except OSError:
    pass
print(len(got))
"""
ECHO = """
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(('::', 7777))
print('{"up": true}')
while True:
    data, who = s.recvfrom(100)
    s.sendto(data, who)
"""


@pytest.fixture
def echo(lan: Lan):
    process = lan.python(2, ECHO)
    process.wait_for(lambda message: "up" in message)
    return process


def test_hosts_reach_each_other_and_nothing_else(lan, echo) -> None:
    assert ping(lan, 1, "10.77.1.2") == 1
    assert ping(lan, 1, "fd77::2") == 1
    assert "default" not in lan.run(1, "ip", "route")
    assert "e0" in lan.run(1, "ip", "-o", "link")


def test_the_cable_can_be_pulled_and_the_address_changed(lan, echo) -> None:
    lan.down(2)
    assert nobody(lan, 1, "10.77.1.2")
    lan.up(2, "10.77.1.102")
    assert lan.address(2) == "10.77.1.102"
    until(lambda: not nobody(lan, 1, "10.77.1.102"))
    until(lambda: not nobody(lan, 1, "fd77::2"))


def test_packets_get_lost_as_often_as_asked(lan, echo) -> None:
    """The bounds are six standard deviations away."""
    lan.loss(1, 0.3)
    assert 102 <= ping(lan, 1, "10.77.1.2", 200, patience=3.0) <= 178
    lan.loss(1, 0.3, both=True)
    assert 56 <= ping(lan, 1, "10.77.1.2", 200, patience=3.0) <= 140
    lan.loss(1, 0)
    assert ping(lan, 1, "10.77.1.2", 20) == 20


def test_a_thread_can_go_inside(lan, echo) -> None:
    import socket

    with lan.inside(1), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside:
        inside.settimeout(30)
        inside.sendto(b"x", ("10.77.1.2", 7777))
        assert inside.recv(10) == b"x"
    assert run("ip", "-o", "link") != lan.run(1, "ip", "-o", "link")


def test_frozen_killed_and_thawed(lan, echo) -> None:
    echo.freeze()
    assert nobody(lan, 1, "10.77.1.2")
    echo.thaw()
    assert ping(lan, 1, "10.77.1.2") == 1
    echo.kill()
    assert nobody(lan, 1, "10.77.1.2")


def test_nothing_is_left() -> None:
    with Lan(2) as lan:
        sleeper = lan.start(1, "sleep", "1000")
        name, folder = lan.name, lan.folder
    assert name not in run("ip", "netns", "list")
    assert not folder.exists()
    assert sleeper.popen.poll() is not None


def test_what_a_killed_run_left_is_swept() -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    name = f"bago{dead.pid}x1h1"
    run("ip", "netns", "add", name)
    with Lan(1):
        assert name not in run("ip", "netns", "list")
    assert not Path(f"/run/netns/{name}").exists()
