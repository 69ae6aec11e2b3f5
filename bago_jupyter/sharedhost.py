"""Machines that several people use: there loopback is no protection, and ``/v1`` asks for a key."""

from __future__ import annotations

import os
import secrets

from .settings import Settings
from .state import Home

FILE = "api_key"
_HUB = ("JUPYTERHUB_API_TOKEN", "JUPYTERHUB_USER")
FIRST_PERSON = 1000
"""User ids from here on are people's on Linux; macOS begins at 501."""
_NO_LOGIN = ("nologin", "false", "sync")


def is_shared() -> bool:
    """Whether other people may have processes here: JupyterHub, or more than one login user."""
    if any(name in os.environ for name in _HUB):
        return True
    try:
        import pwd
    except ImportError:  # Windows
        return False
    people = [
        user
        for user in pwd.getpwall()
        if FIRST_PERSON <= user.pw_uid < 60_000 and not user.pw_shell.endswith(_NO_LOGIN)
    ]
    return len(people) > 1


def with_key(settings: Settings, home: Home) -> Settings:
    """``settings`` with an API key where one is needed: made at the first start, kept in the home (0600).

    Raises :class:`~bago_jupyter.errors.StateError`.
    """
    if settings.api_key is not None or not is_shared():
        return settings
    kept = home.read(FILE)
    if not kept:
        kept = secrets.token_urlsafe(24).encode()
        home.write(FILE, kept)
    return settings.replace(api_key=kept.decode())
