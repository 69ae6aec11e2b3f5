"""``python -m tests.benchmarks [group ...]``: measure groups (all by default) and write the README."""

from __future__ import annotations

import argparse
import datetime
import os
import signal
import sys
import time
import traceback
from types import FrameType

from . import cell, failover, mesh, model, page, relay, resilience, routing, sharing, startup, stream, view
from .group import BenchError, Group
from .machine import describe
from .results import Result, load, save

GROUPS = [
    *(module.GROUP for module in (relay, stream, cell, model, startup, mesh, routing, failover)),
    failover.ONE,
    *(module.GROUP for module in (resilience, sharing, view)),
]


def main() -> int:
    """Run the groups named on the command line; exit status 1 when one could not be measured."""
    names = [group.name for group in GROUPS]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="group", help=f"{', '.join(names)}; all by default")
    chosen = parser.parse_args().groups or names
    if unknown := [name for name in chosen if name not in names]:
        parser.error(f"unknown group {unknown[0]}; there are {', '.join(names)}")

    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGALRM, _overdue)
    failed = 0
    for number, group in enumerate((g for g in GROUPS if g.name in chosen), 1):
        print(f"[{number}/{len(chosen)}] {group.title}", flush=True)
        try:
            _measure(group)
        except BenchError as error:
            failed += 1
            print(f"    {group.name} not measured: {error}", file=sys.stderr, flush=True)
        except Exception:  # the other groups are still worth having
            failed += 1
            traceback.print_exc()
    page.write(GROUPS, load())
    print(f"Written: {page.FILE}")
    return 1 if failed else 0


def _measure(group: Group) -> None:
    started = time.monotonic()
    before = os.getloadavg()[0]
    signal.setitimer(signal.ITIMER_REAL, group.bound)
    try:
        tables = group.measure(_progress)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    result = Result(
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        seconds=time.monotonic() - started,
        machine=describe(),
        load=before,
        tables=tables,
    )
    save({**load(), group.name: result})
    page.write(GROUPS, load())


def _progress(line: str) -> None:
    print(f"    {line}", flush=True)


def _terminated(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(143)  # so that every child is ended on the way out


def _overdue(signum: int, frame: FrameType | None) -> None:
    raise BenchError("it took longer than its bound")


if __name__ == "__main__":
    sys.exit(main())
