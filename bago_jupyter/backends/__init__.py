"""Whatever can answer a request, and the dispatcher that tries them in the planned order."""

from .answer import Answer
from .base import Backend, Opened, Request
from .dispatch import Dispatcher
from .http import HttpBackend
from .local import LocalBackend
from .records import Records

__all__ = ["Answer", "Backend", "Dispatcher", "HttpBackend", "LocalBackend", "Opened", "Records", "Request"]
