"""How fast discovery is, between two processes on two hosts.

``python tests/discovery/figures.py`` prints medians of ten; ``--slow`` adds the real rhythm: a node that
announces itself unchanged for 200 s, and how long after ``kill -9`` it is listed (six minutes in all).
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from discovery.conftest import Node, launch
from lan import Lan

ROUNDS = 10


def quick(one: Node, two: Node) -> dict[str, float]:
    """Medians in seconds."""
    taken: dict[str, list[float]] = {"advertise to seen": [], "change to seen": [], "goodbye to gone": []}
    for round in range(ROUNDS):
        mark = two.mark
        begun = one.advertise(models=round, engines=["mlx"])
        taken["advertise to seen"].append(two.event("appeared", one, since=mark)["clock"] - begun)
        time.sleep(2)
        begun = one.advertise(models=round + 100, engines=["mlx"])
        seen = two.event("changed", one, since=mark, models=round + 100)
        taken["change to seen"].append(seen["clock"] - begun)
        time.sleep(1)
        begun = one.do("withdraw")["began"]
        taken["goodbye to gone"].append(two.event("gone", one, since=mark)["clock"] - begun)
        time.sleep(1)
    return {name: statistics.median(values) for name, values in taken.items()}


def slow(one: Node, two: Node) -> dict[str, float]:
    """With the real rhythm; raises if the node is missing while it announces itself unchanged."""
    mark = two.mark
    one.advertise()
    two.event("appeared", one, since=mark)
    begun = time.monotonic()
    while time.monotonic() < begun + 200:
        assert [found["fingerprint"] for found in two.nodes()] == [one.fingerprint]
        time.sleep(5)
    assert two.events(mark) == ["appeared"]
    killed = one.process.kill()
    while two.nodes():
        time.sleep(0.2)
    filtered = time.monotonic() - killed
    gone = two.event("gone", one, timeout=60, since=mark)
    return {"kill -9 to out of the list": filtered, "kill -9 to swept": gone["clock"] - killed}


def main() -> None:
    with Lan(2) as lan:
        one, two = launch(lan, 1, 1, times={}), launch(lan, 2, 2, times={})
        figures = quick(one, two)
        if "--slow" in sys.argv:
            figures |= slow(one, two)
    for name, seconds in figures.items():
        print(f"{name:30}{seconds * 1000:10.1f} ms")


if __name__ == "__main__":
    main()
