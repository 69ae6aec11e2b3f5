"""The node's HTTP API: ``/v1`` (OpenAI and Anthropic), ``/api/v1`` (management), health and metrics."""

from .app import App
from .context import Context

__all__ = ["App", "Context"]
