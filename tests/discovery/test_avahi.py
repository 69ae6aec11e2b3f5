"""Against avahi: what it reads of ours, and what we read of its."""

from __future__ import annotations

from typing import Any

from discovery.avahi import avahi
from discovery.conftest import FAST
from headless import until

FOREIGN = "fp_" + "5a" * 32


def test_avahi_browse_reads_the_record_of_the_table(lan, start) -> None:
    with avahi(lan, 3) as desktop:
        one = start(1, name="Zoë's <b>box</b> v1.2")
        one.advertise(engines=["llama.cpp", "mlx"], models=5, accelerator="cuda")

        def both() -> list[dict[str, Any]]:
            found = desktop.browse()
            return found if {entry["family"] for entry in found} == {"IPv4", "IPv6"} else []

        found = until(both)
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
        until(lambda: not desktop.browse())


def test_a_service_of_avahi_publish_is_listed_until_it_goes(lan, start) -> None:
    """avahi does not announce by the clock: it stays because it answers when it is asked."""
    with avahi(lan, 3) as desktop:
        two = start(2, times={**FAST, "stale": 6.0})
        service = desktop.publish(
            "A foreign node",
            9000,
            "name=A foreign node",
            f"fingerprint={FOREIGN}",
            "port=9000",
            "version=0.9.0",
        )
        seen = two.event("appeared")
        assert (seen["name"], seen["fingerprint"], seen["port"]) == ("A foreign node", FOREIGN, 9000)
        assert seen["addresses"][0] == "10.77.1.3"
        begun = seen["last_seen"]
        until(lambda: [node["last_seen"] - begun > 6.0 for node in two.nodes()] == [True])
        assert two.events() == ["appeared"]
        service.close()
        two.event("gone", reason="said goodbye")


def test_both_share_port_5353_of_one_host(lan, start) -> None:
    with avahi(lan, 1) as desktop:
        one, two = start(1), start(2)
        one.advertise()
        two.advertise()
        two.event("appeared", one)
        one.event("appeared", two)
        until(lambda: len({entry["server"] for entry in desktop.browse()}) == 2)
