"""HTTP/1.1 on httptools: the server's half, the client's half, and one look at all deadlines.

Nothing here knows what is asked or answered; both halves hand over bytes as they arrived.
"""

from .asgi import Asgi
from .client import Response, kept
from .events import WholeEvents
from .head import has_body
from .incoming import Admission, Application, Incoming
from .listener import Listener
from .pool import Pool

__all__ = [
    "Admission",
    "Application",
    "Asgi",
    "Incoming",
    "Listener",
    "Pool",
    "Response",
    "WholeEvents",
    "has_body",
    "kept",
]
