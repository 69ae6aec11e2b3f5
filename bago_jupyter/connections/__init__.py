"""Servers beyond the mesh: other routers, clusters, clouds, and whatever speaks OpenAI's API."""

from .connections import Connections

__all__ = ["Connections"]
