"""Nodes with each other: who is there, who is trusted, what they offer, and the way to ask them."""

from .mesh import Mesh

__all__ = ["Mesh"]
