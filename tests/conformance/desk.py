"""Who is where, and what everybody asks."""

from __future__ import annotations

from mesh.hosts import Node

ADA, BOB, DESK = 1, 2, 3
"""Hosts: without models, with them, and without a node at all."""
KEY = "sk-team-7f3a"
MAX_BODY = 2 * 1024 * 1024
HELLO = [{"role": "user", "content": "Say hello."}]
FIXED = {"temperature": 0, "seed": 1}


def busy(node: Node, model: str = "smol") -> int:
    """Slots of a model that work for somebody."""
    return sum(slot.busy for slot in node.client.slots(model))
