"""Against avahi: what it reads of ours, and what we read of its."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest

from lan import needs

_spec = importlib.util.spec_from_file_location("avahi_helper", Path(__file__).with_name("avahi.py"))
assert _spec is not None
assert _spec.loader is not None
