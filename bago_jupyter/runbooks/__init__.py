"""Notebooks that do one job of an operator, and the way to run them without a browser."""

from .run import run

__all__ = ["run"]
