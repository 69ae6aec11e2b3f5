"""Which address to try first."""

from __future__ import annotations

import ipaddress
import json
import math

import pytest
from lan import Lan

from bago_jupyter.discovery import addresses
from bago_jupyter.discovery.addresses import Address, kind, local, rank


def mine(text: str, interface: str = "eth0", index: int = 2) -> Address:
    bare = text.partition("/")[0]
    ip = ipaddress.ip_address(bare)
    zoned = f"{bare}%{interface}" if ip.version == 6 and ip.is_link_local else bare
    return Address(
        text=zoned,
        interface=interface,
        index=index,
        kind=kind(interface, ip),
        network=ipaddress.ip_network(text, strict=False),
    )


HOST = (
    mine("192.168.1.10/24"),
    mine("fe80::10/64"),
    mine("100.70.1.1/32", "tailscale0", 3),
    mine("172.17.0.1/16", "docker0", 4),
)


def test_interfaces_are_told_apart_by_name_and_range() -> None:
    kinds = {
        "lan": [
            "eth0",
            "enp3s0",
            "wlan0",
            "wlp2s0",
            "en0",
            "br0",
            "br-lan",
            "bond0",
            "Ethernet",
            "Wi-Fi",
            "lo0x",
        ],
        "vpn": ["tailscale0", "wg0", "utun4", "tun0", "zt7nnig26", "ppp0"],
        "virtual": [
            *("docker0", "br-1a2b3c4d5e6f", "virbr0", "veth12ab", "lxcbr0", "cni0", "podman0", "vmnet8"),
            *("vEthernet (WSL)", "cali1234", "bridge100", "vboxnet0"),
        ],
    }
    ip = ipaddress.ip_address("192.168.1.1")
    for expected, names in kinds.items():
        assert {name: kind(name, ip) for name in names} == dict.fromkeys(names, expected)
    assert kind("eth0", ipaddress.ip_address("100.64.0.1")) == "vpn"
    assert kind("eth0", ipaddress.ip_address("fd7a:115c:a1e0::1")) == "vpn"
    assert kind("lo", ipaddress.ip_address("::1")) == "loopback"


def test_same_lan_first_then_others_then_tailnet_then_bridges() -> None:
    given = ["172.17.0.9", "100.70.9.9", "10.1.1.1", "fe80::20%eth0", "192.168.1.20", "fd00::1"]
    assert rank(given, HOST) == (
        *("192.168.1.20", "fe80::20%eth0", "10.1.1.1", "fd00::1", "100.70.9.9", "172.17.0.9"),
    )


def test_an_address_that_this_host_has_too_leads_nowhere() -> None:
    assert rank(["172.17.0.1", "192.168.1.20"], HOST) == ("192.168.1.20",)


def test_a_node_on_this_host_is_reached_at_its_addresses() -> None:
    assert rank(["192.168.1.10", "172.17.0.1"], HOST) == ("192.168.1.10", "172.17.0.1")


def test_loopback_and_zoneless_link_local_addresses_are_of_no_use() -> None:
    assert rank(["127.0.0.1", "::1", "fe80::20", "192.168.1.20"], HOST) == ("192.168.1.20",)
    assert rank(["127.0.0.1"], HOST) == ("127.0.0.1",)


def test_nonsense_is_left_out() -> None:
    assert rank(["", "x", "0.0.0.0", "224.0.0.251", "ff02::fb%eth0", "10.0.0.1", "10.0.0.1"], HOST) == (
        "10.0.0.1",
    )


def test_this_machine_has_addresses_and_loopback_only_without_others() -> None:
    found = local()
    assert found
    kinds = {address.kind for address in found}
    assert kinds == {"loopback"} or "loopback" not in kinds


CODE = """
import json
import math
from bago_jupyter.discovery.addresses import local
print(json.dumps([[a.text, a.interface, a.kind, str(a.network)] for a in local()]))
"""


def test_a_host_with_a_bridge_a_tunnel_and_a_dead_interface() -> None:
    with Lan(1) as lan:
        for name, address in (
            ("docker0", "172.17.0.1/16"),
            ("wg0", "10.9.9.1/32"),
            ("eth9", "10.8.8.1/24"),
        ):
            lan.run(1, "ip", "link", "add", name, "type", "bridge")
            lan.run(1, "ip", "addr", "add", address, "dev", name)
            if name != "eth9":
                lan.run(1, "ip", "link", "set", name, "up")
        found = json.loads(lan.run(1, _python(), "-c", CODE))
        texts = [text for text, *_ in found]
        assert texts[:2] == ["10.77.1.1", "fd77::1"]
        assert texts[2].startswith("fe80::")
        assert texts[2].endswith("%e0")
        assert [kind for _, _, kind, _ in found] == sorted(
            (kind for _, _, kind, _ in found), key=["lan", "vpn", "virtual"].index
        )
        assert "10.9.9.1" in texts
        assert "172.17.0.1" in texts
        assert "10.8.8.1" not in texts
        assert ["10.77.1.1", "e0", "lan", "10.77.1.0/24"] in found
        lan.down(1)
        for name in ("docker0", "wg0"):
            lan.run(1, "ip", "link", "set", name, "down")
        assert {kind for _, _, kind, _ in json.loads(lan.run(1, _python(), "-c", CODE))} == {"loopback"}


def _python() -> str:
    import sys

    return sys.executable


def test_what_is_asked_often_is_looked_up_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr(addresses, "local", lambda: tuple(looks.append(1) or ()))  # type: ignore[func-returns-value]
    monkeypatch.setattr(addresses, "_latest", (-math.inf, ()))
    for _ in range(100):
        addresses.recent()
    assert len(looks) == 1
    monkeypatch.setattr(addresses, "FRESH", 0.0)
    addresses.recent()
    assert len(looks) == 2
