"""A hostile host on the network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FLOOD = Path(__file__).with_name("flood.py")


@pytest.mark.parametrize("addresses", [1, 50])
def test_a_megabyte_of_hostile_announcements(lan, start, addresses) -> None:
    good, watcher, late = start(1, times={}), start(2, times={}), start(1, times={})
    good.advertise()
    watcher.event("appeared", good)
    before = watcher.state()["peak_kib"]
    sources = [f"10.77.1.{150 + n}" for n in range(addresses)]
    for source in sources:
        lan.run(3, "ip", "addr", "add", f"{source}/24", "dev", "e0")
    attack = lan.python(3, FLOOD, json.dumps([1_000_000, watcher.fingerprint, sources]))
    attack.wait_for(lambda message: "sent" in message, 60)
    late.advertise()
    watcher.event("appeared", late, timeout=60)  # at the next announcement by the clock at the latest
    state = watcher.state()
    assert state["rejected"] > 0
    assert state["count"] <= 512
    assert state["peak_kib"] - before < 48 * 1024
    listed = watcher.nodes()
    assert {"node 1", "node 3"} <= {node["name"] for node in listed}
    assert watcher.fingerprint not in {node["fingerprint"] for node in listed}
    for node in listed:
        assert not any(
            ord(char) < 32 or char in "\u202e\u2066\u200b" for char in node["name"] + node["version"]
        )
    good.advertise(models=9, engines=["mlx"])
    watcher.event("changed", good, models=9)
    watcher.do("stop")
    assert watcher.process.popen.wait(30) == 0
    assert watcher.process.errors == []


def test_a_false_goodbye_does_not_last(lan, start) -> None:
    """Nobody can be kept from saying goodbye in another's name; the next announcement corrects it."""
    one, two = start(1), start(2)
    one.advertise()
    two.event("appeared", one)
    code = (
        f"import sys; sys.path.insert(0, {str(FLOOD.parent)!r}); import flood, socket;"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        f"s.sendto(flood.packet(b'node 1 {one.fingerprint[3:11]}', b'\\0', '10.77.1.3', 0), flood.GROUP)"
    )
    mark = two.mark
    attack = lan.python(3, code)
    two.event("gone", one, since=mark)
    two.event("appeared", one, since=mark)
    assert attack.popen.wait(30) == 0
