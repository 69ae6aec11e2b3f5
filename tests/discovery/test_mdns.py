"""Discovery between real processes on real hosts."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest
from discovery.conftest import CALM, FAST, STEADY, launch
from headless import until
from lan import Lan

from bago_jupyter.discovery.mdns import Discovery
from bago_jupyter.discovery.record import Announcement
from bago_jupyter.errors import SettingsError


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_node_is_seen_at_once_and_its_goodbye_too(start, loop) -> None:
    one, two = start(1, loop=loop, times=CALM), start(2, loop=loop, times=CALM)
    one.advertise(engines=["llama.cpp", "mlx"], models=5, accelerator="cuda")
    seen = two.event("appeared", one)
    assert (seen["name"], seen["port"], seen["version"]) == ("node 1", 8080, "0.1")
    assert (seen["engines"], seen["models"], seen["accelerator"]) == (["llama.cpp", "mlx"], 5, "cuda")
    assert seen["addresses"][:2] == ["10.77.1.1", "fd77::1"]
    assert seen["addresses"][2].startswith("fe80::")
    assert seen["addresses"][2].endswith("%e0")
    assert seen["interface"] == "e0"
    one.do("withdraw")
    two.event("gone", one, reason="said goodbye")
    assert two.nodes() == []


def test_who_comes_later_sees_who_is_there(start) -> None:
    one = start(1, times=CALM)
    one.advertise()
    one.announced()
    two = start(2, times=CALM)
    two.event("appeared", one)


def test_stopping_says_goodbye_and_leaves_nothing(start) -> None:
    one, two = start(1, times=CALM), start(2, times=CALM)
    one.advertise()
    two.event("appeared", one)
    one.do("stop")
    two.event("gone", one, reason="said goodbye")
    assert one.process.popen.wait(30) == 0
    assert one.process.errors == []


def test_a_killed_node_goes_after_the_stale_time_and_not_before(start) -> None:
    one, two = start(1), start(2)
    one.advertise()
    two.event("appeared", one)
    one.process.kill()
    gone = two.event("gone", one)
    assert gone["reason"] == "was not heard for 4 s"
    assert gone["clock"] - gone["last_seen"] >= FAST["stale"]


def test_reannouncing_unchanged_records_keeps_a_node_listed(start) -> None:
    """What keeps it is that it was heard lately."""
    one, two = start(1, times=STEADY), start(2, times=STEADY)
    one.advertise()
    two.event("appeared", one)
    one.announced()
    two.hears(one, times=3)
    assert [node["name"] for node in two.nodes()] == ["node 1"]
    assert two.events() == ["appeared"]


def test_a_change_is_announced_at_once(start) -> None:
    one, two = start(1, times=CALM), start(2, times=CALM)
    one.advertise(engines=["llama.cpp"], models=1)
    two.event("appeared", one)
    one.advertise(engines=["llama.cpp"], models=2)
    two.event("changed", one, models=2)
    one.advertise(engines=["llama.cpp", "mlx"], models=2)
    two.event("changed", one, engines=["llama.cpp", "mlx"])
    one.name = "renamed"
    one.advertise()
    two.event("changed", one, name="renamed", engines=None)
    until(lambda: two.state()["instances"] == 1)  # the goodbye of the old name
    assert [node["name"] for node in two.nodes()] == ["renamed"]
    assert "gone" not in two.events()
    one.do("withdraw")
    two.event("gone", one, reason="said goodbye")


def test_what_was_replaced_does_not_come_back(start) -> None:
    """zeroconf keeps replaced records for up to ten seconds."""
    one, two = start(1, times=STEADY), start(2, times=STEADY)
    one.advertise(engines=["mlx"], models=1)
    two.event("appeared", one)
    time.sleep(1.6)  # only what is older than a second is replaced, and not merely joined
    one.advertise(engines=["mlx"], models=2)
    assert two.event("changed", one)["models"] == 2
    time.sleep(1.6)
    one.advertise(engines=["mlx"], models=1)
    two.event("changed", one, models=1)
    one.announced()
    two.hears(one, times=3)
    assert two.events() == ["appeared", "changed", "changed"]
    assert two.nodes()[0]["models"] == 1


def test_a_node_never_lists_itself(start) -> None:
    one, two = start(1), start(2)
    one.advertise()
    two.advertise()
    one.event("appeared", two)
    two.event("appeared", one)
    assert [node["name"] for node in one.nodes()] == ["node 2"]
    assert [node["name"] for node in two.nodes()] == ["node 1"]


def test_equal_names_live_side_by_side_on_one_host_and_on_two(start) -> None:
    watcher = start(3)
    twins = [start(1, name="same"), start(1, name="same"), start(2, name="same")]
    for number, twin in enumerate(twins):
        twin.advertise(port=8080 + number)
    for twin in twins:
        watcher.event("appeared", twin)
    listed = watcher.nodes()
    assert [node["name"] for node in listed] == ["same"] * 3
    assert len({node["instance"] for node in listed}) == 3
    assert {node["port"] for node in listed} == {8080, 8081, 8082}
    twins[0].event("appeared", twins[1])


def test_a_restart_under_the_same_identity_leaves_no_ghost(start) -> None:
    watcher = start(2)
    one = start(1, identity=7, name="before")
    one.advertise(port=8080)
    watcher.event("appeared", one)
    one.process.kill()
    again = start(1, identity=7, name="after")
    again.advertise(port=8081)
    watcher.event("changed", again, name="after")
    (listed,) = watcher.nodes()
    assert (listed["name"], listed["port"]) == ("after", 8081)
    until(lambda: watcher.state()["instances"] == 1)  # the one that was killed is not heard any more
    (listed,) = watcher.nodes()
    assert listed["instance"].startswith("after")
    assert "gone" not in watcher.events()


def test_browsing_is_switched_live(start) -> None:
    one, two, watcher = start(1), start(2, browse=False), start(3)
    one.advertise()
    watcher.event("appeared", one)
    one.announced()
    assert two.nodes() == []
    two.do("browse", on=True)
    two.event("appeared", one)
    two.do("browse", on=False)
    two.event("gone", one, reason="discovery was switched off")
    watcher.hears(one, times=2)
    assert two.nodes() == []


def test_another_address_is_followed(lan, start) -> None:
    one, two = start(1), start(2)
    one.advertise()
    two.event("appeared", one)
    lan.down(1)
    one.notice("no network")
    lan.up(1, "10.77.1.101")

    def moved() -> bool:
        listed = [node["addresses"] for node in two.nodes()]
        return len(listed) == 1 and listed[0][0] == "10.77.1.101" and "10.77.1.1" not in listed[0]

    until(moved)


def test_an_interface_that_is_made_anew_is_followed(lan, start) -> None:
    """Same address, same name, another interface: the memberships of the old one are gone."""
    one, two = start(1), start(2)
    lan.run(1, "ip", "link", "del", "e0")
    lan.plug(1)
    one.advertise()
    two.event("appeared", one)
    two.advertise()
    one.event("appeared", two)


def test_without_a_network_it_says_so_and_goes_on_when_there_is_one(lan, start) -> None:
    two = start(2)
    lan.down(1)
    one = start(1)
    one.notice("no network")
    one.advertise()
    lan.up(1)
    two.event("appeared", one)
    until(lambda: one.state()["notice_now"] is None)


HOG = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("", 5353))
print('{"held": true}')
sys.stdin.read()
"""


def test_a_taken_port_is_said_and_used_when_it_is_free(lan, start) -> None:
    hog = lan.python(1, HOG)
    hog.wait_for(lambda message: "held" in message)
    one, two = start(1), start(2)
    one.notice("UDP port 5353 cannot be used")
    one.advertise()
    two.advertise()
    hog.close()
    two.event("appeared", one)
    one.event("appeared", two)


def test_a_firewall_is_told_from_an_empty_network(lan, start) -> None:
    two = start(2)
    lan.block_udp_5353(1)
    one = start(1)
    one.advertise()
    one.notice("a firewall on this machine seems to block UDP port 5353")
    assert two.nodes() == []
    lan.block_udp_5353(1, False)
    two.event("appeared", one)


def test_link_local_addresses_alone_are_enough(lan, start) -> None:
    for host in (1, 2):
        lan.run(host, "ip", "-4", "addr", "flush", "dev", "e0")
        lan.run(host, "ip", "addr", "del", f"fd77::{host}/64", "dev", "e0")
    listener = lan.python(
        1, "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8080, bind='::')"
    )
    one, two = start(1), start(2)
    one.advertise()
    (address,) = two.event("appeared", one)["addresses"]
    assert address.endswith("%e0")
    code = f"import socket; socket.create_connection(({address!r}, 8080), 30); print('reached')"
    listener.wait_for(lambda message: "Serving" in message.get("text", ""))
    assert lan.run(2, sys.executable, "-c", code) == "reached\n"


def test_a_fresh_ipv6_address_is_taken_in_when_it_can_be_used() -> None:
    """Until duplicate address detection is over it cannot be bound."""
    with Lan(2, check_duplicates=True) as lan:
        for host in (1, 2):
            lan.run(host, "ip", "-4", "addr", "flush", "dev", "e0")
        one, two = (launch(lan, host, host) for host in (1, 2))
        one.advertise()
        assert two.event("appeared", one)["addresses"][0] == "fd77::1"


def test_the_address_of_every_docker_host_is_not_offered(lan, start) -> None:
    for host in (1, 2):
        lan.run(host, "ip", "link", "add", "docker0", "type", "bridge")
        lan.run(host, "ip", "addr", "add", "172.17.0.1/16", "dev", "docker0")
        lan.run(host, "ip", "link", "set", "docker0", "up")
    one, two = start(1), start(2)
    one.advertise()
    addresses = two.event("appeared", one)["addresses"]
    assert addresses[0] == "10.77.1.1"
    assert "172.17.0.1" not in addresses


def test_advertising_without_a_name_is_impossible() -> None:
    async def main() -> None:
        discovery = Discovery("fp_" + "0a" * 32)
        with pytest.raises(SettingsError, match="needs a name"):
            await discovery.advertise(
                Announcement(name=" ", fingerprint=discovery.fingerprint, port=1, version="1")
            )
        assert not discovery.advertising
        await discovery.stop()

    asyncio.run(main())
