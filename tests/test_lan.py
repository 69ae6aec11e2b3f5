"""The network that the other tests stand on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from lan import Lan, run


@pytest.fixture
def lan():
    with Lan(2) as lan:
        yield lan


def ping(lan: Lan, host: int, address: str, count: int = 1) -> int:
    """Answers that came back."""
    out = lan.run(host, sys.executable, "-c", PING, address, str(count))
    return int(out)


PING = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.15)
got = 0
for n in range(int(sys.argv[2])):
    try:
        s.sendto(b'%d' % n, (sys.argv[1], 7777))
        while int(s.recv(100)) != n:  # a late answer is none
            pass
        got += 1
    except OSError:
        pass
print(got)
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
    assert ping(lan, 1, "10.77.1.2") == 0
    lan.up(2, "10.77.1.102")
    assert lan.address(2) == "10.77.1.102"
    assert ping(lan, 1, "10.77.1.102", 5) >= 1
    assert ping(lan, 1, "fd77::2", 5) >= 1


def test_packets_get_lost_as_often_as_asked(lan, echo) -> None:
    lan.loss(1, 0.3)
    assert 100 <= ping(lan, 1, "10.77.1.2", 200) <= 175
    lan.loss(1, 0.3, both=True)
    assert 60 <= ping(lan, 1, "10.77.1.2", 200) <= 135
    lan.loss(1, 0)
    assert ping(lan, 1, "10.77.1.2", 20) == 20


def test_a_thread_can_go_inside(lan, echo) -> None:
    import socket

    with lan.inside(1), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside:
        inside.settimeout(5)
        inside.sendto(b"x", ("10.77.1.2", 7777))
        assert inside.recv(10) == b"x"
    assert run("ip", "-o", "link") != lan.run(1, "ip", "-o", "link")


def test_frozen_killed_and_thawed(lan, echo) -> None:
    echo.freeze()
    assert ping(lan, 1, "10.77.1.2") == 0
    echo.thaw()
    deadline = time.monotonic() + 5
    while ping(lan, 1, "10.77.1.2") == 0:
        assert time.monotonic() < deadline
    echo.kill()
    assert ping(lan, 1, "10.77.1.2") == 0


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
