"""The data path's HTTP/1.1 client: connections, pools and the pace they keep beside a busy cell."""

from .connection import Exchange
from .pace import Pace
from .pool import Pool
from .splice import replace_model
from .sse import WholeEvents

__all__ = ["Exchange", "Pace", "Pool", "WholeEvents", "replace_model"]
