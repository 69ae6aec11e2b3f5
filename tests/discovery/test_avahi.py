"""Against avahi: what it reads of ours, and what we read of its."""

from __future__ import annotations

import time

from discovery.avahi import avahi

FOREIGN = "fp_" + "5a" * 32


def test_avahi_browse_reads_the_record_of_the_table(lan, start) -> None:
    with avahi(lan, 3) as desktop:
        one = start(1, name="Zoë's <b>box</b> v1.2")
        one.advertise(engines=["llama.cpp", "mlx"], models=5, accelerator="cuda")
        deadline = time.monotonic() + 10
        found = desktop.browse()
        while {entry["family"] for entry in found} != {"IPv4", "IPv6"}:
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
            found = desktop.browse()
        for entry in found:
            assert sorted(entry["text"]) == sorted(
                [
                    "name=Zoë's <b>box</b> v1.2",
                    f"fingerprint={one.fingerprint}",
                    "port=8080",
                    "version=0.1",
                    "engines=llama.cpp,mlx",
                    "models=5",
                    "accelerator=cuda",
                ]
            )
            assert entry["port"] == "8080"
            assert entry["server"] == f"bago-{one.fingerprint[3:19]}.local"
            assert "v1-2 " + one.fingerprint[3:11] in entry["name"]
        one.do("withdraw")
        deadline = time.monotonic() + 5
        while desktop.browse():
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_a_service_of_avahi_publish_is_listed_until_it_goes(lan, start) -> None:
    """avahi does not announce by the clock: it stays because it answers when it is asked."""
    with avahi(lan, 3) as desktop:
        two = start(2)
        service = desktop.publish(
            "A foreign node",
            9000,
            "name=A foreign node",
            f"fingerprint={FOREIGN}",
            "port=9000",
            "version=0.9.0",
        )
        seen = two.event("appeared", timeout=10)
        assert (seen["name"], seen["fingerprint"], seen["port"]) == ("A foreign node", FOREIGN, 9000)
        assert seen["addresses"][0] == "10.77.1.3"
        deadline = time.monotonic() + 8  # more than twice the stale time
        while time.monotonic() < deadline:
            assert [node["name"] for node in two.nodes()] == ["A foreign node"]
            time.sleep(0.2)
        begun = time.monotonic()
        service.close()
        assert two.event("gone", reason="said goodbye")["clock"] - begun < 1


def test_both_share_port_5353_of_one_host(lan, start) -> None:
    with avahi(lan, 1) as desktop:
        one, two = start(1), start(2)
        one.advertise()
        two.advertise()
        two.event("appeared", one)
        one.event("appeared", two)
        deadline = time.monotonic() + 10
        while len({entry["server"] for entry in desktop.browse()}) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.2)
