"""What every test may use."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import filelock
import pytest
from hypothesis import HealthCheck, settings

CACHE = Path.home() / ".cache" / "bago-jupyter-tests"

# The same examples in every run, and none that is wrong for being slow: the machine may be busy.
settings.register_profile(
    "bago",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("bago")


@pytest.fixture(scope="session")
def starter_gguf() -> Path:
    """The real starter model: ``STARTER_GGUF``, or pulled once as a user would pull it."""
    if given := os.environ.get("STARTER_GGUF"):
        return Path(given)
    from bago_jupyter.engines.pull import pull

    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / "smollm2.gguf"
    with filelock.FileLock(CACHE / "lock"):
        if not path.exists():
            asyncio.run(pull("smollm2", CACHE, name=None, sha256=None, progress=lambda _: None))
    return path
