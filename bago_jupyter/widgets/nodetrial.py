"""Goes the way of a request to a paired node step by step, up to one token of a model."""

from __future__ import annotations

import asyncio
import time

from ..client import AsyncNodeClient
from ..errors import BagoError, Unavailable
from ..wire import Hop, ModelInfo, NodeInfo

PATIENCE = 20.0
"""Seconds within which the token must be there; the browser gives up at 30."""


async def try_out(client: AsyncNodeClient, node: str) -> list[Hop]:
    """The steps as they went; one that fails is the last. Raises :class:`BagoError` for no such node."""
    info = await client.paired(node)
    hops = [Hop(name="paired", ok=True, said=f"by {info.via}")]
    started = time.monotonic()
    try:
        ping = await client.ping(info.fingerprint)
        hops.append(Hop(name="reached", ok=True, seconds=ping.latency, said=f"at {ping.address}"))
        info = await client.paired(info.fingerprint)
        model = _chat_model(info)
        hops.append(Hop(name="models", ok=True, said=f"{len(info.models)} shared; asking {model.id}"))
        started = time.monotonic()
        async with asyncio.timeout(PATIENCE):
            await _token(client, info, model)
        hops.append(Hop(name="one token", ok=True, seconds=time.monotonic() - started))
    except TimeoutError:
        said = f"Nothing came within {PATIENCE:.0f} s; the model may still be loading there."
        hops.append(Hop(name="one token", ok=False, seconds=PATIENCE, said=said))
    except BagoError as error:
        name = ("reached", "models", "one token")[len(hops) - 1]
        hops.append(Hop(name=name, ok=False, seconds=time.monotonic() - started, said=error.message))
    return hops


def _chat_model(node: NodeInfo) -> ModelInfo:
    found = [model for model in node.models if "generate" in model.tasks and model.state != "failed"]
    if not found:
        raise Unavailable(f"{node.name} shares no model that can chat.")
    return min(found, key=lambda model: (model.state != "ready", model.id))


async def _token(client: AsyncNodeClient, node: NodeInfo, model: ModelInfo) -> None:
    message = [{"role": "user", "content": "Hi"}]
    async with client.chat(message, model=f"{node.name}/{model.id}", max_tokens=1) as (reply, pieces):
        async for _ in pieces:
            pass
    if reply.node != node.name:
        raise Unavailable(f"{reply.node} answered in place of {node.name}; are there two of that name?")
