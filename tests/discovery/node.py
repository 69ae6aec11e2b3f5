"""A process that runs :class:`Discovery` alone: stdin tells it what to do, stdout what it sees."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
import warnings

import msgspec

from bago_jupyter.discovery import Announcement
from bago_jupyter.discovery.mdns import Discovery, Times
from bago_jupyter.loops import loop_factory

warnings.simplefilter("error")


def say(**message):
    print(json.dumps({"clock": time.monotonic(), **message}), flush=True)


def view(node):
    return {
        **msgspec.to_builtins(node.announcement),
        "addresses": list(node.addresses),
        "interface": node.interface,
        "instance": node.instance,
        "last_seen": node.last_seen,
    }


async def main():
    options = json.loads(sys.argv[1])
    discovery = Discovery(
        options["fingerprint"],
        lambda change: say(event=change.kind, reason=change.reason, **view(change.node)),
        on_notice=lambda notice: say(notice=notice),
        times=Times(**options.get("times", {})),
    )
    await discovery.start(browse=options.get("browse", True))
    reader = asyncio.StreamReader()
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    say(ready=True)
    while line := await reader.readline():
        told = json.loads(line)
        begun = time.monotonic()
        match told.pop("do"):
            case "advertise":
                await discovery.advertise(msgspec.convert(told, Announcement))
            case "withdraw":
                await discovery.withdraw()
            case "browse":
                await discovery.browse(told["on"])
            case "list":
                say(nodes=[view(node) for node in discovery.nodes()])
                continue
            case "state":
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                say(
                    notice_now=discovery.notice,
                    rejected=discovery.rejected,
                    refused=discovery.registry.refused,
                    count=len(discovery.registry),
                    instances=len(discovery.registry._owner),
                    announcing=discovery._repeats is not None and not discovery._repeats.done(),
                    peak_kib=peak,
                )
                continue
            case "stop":
                await discovery.stop()
                say(stopped=time.monotonic() - begun)
                break
        say(done=time.monotonic() - begun, began=begun)
    await discovery.stop()
    pipe.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory(sys.argv[2] if len(sys.argv) > 2 else "auto")) as runner:
        runner.run(main())
