"""Whatever can answer a request, and the dispatcher that tries them in the planned order."""

from .base import Backend, Opened, Request
from .dispatch import Answer, Dispatcher
from .http import HttpBackend
from .local import LocalBackend

__all__ = ["Answer", "Backend", "Dispatcher", "HttpBackend", "LocalBackend", "Opened", "Request"]
