"""Machines that several people use: there loopback is no protection, and ``/v1`` asks for a key."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
from collections.abc import Iterator

from .settings import Settings
from .state import Home

FILE = "api_key"
_SERVICES = (
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_USER",
    "SLURM_JOB_ID",
    "PBS_JOBID",
    "LSB_JOBID",
)
"""What a JupyterHub, or the scheduler of a machine for many, leaves in the environment."""
FIRST_PERSON = 501 if sys.platform == "darwin" else 1000
"""User ids from here on are people's."""
_NOBODYS = ((60_514, 65_535),)
"""... but for these: systemd's dynamic users and nobody. 60,001 to 60,513 are of systemd-homed."""
_NO_LOGIN = ("nologin", "false", "sync")
_OLD_KEY = re.compile(rb"[\w-]{32}")


def is_shared() -> bool:
    """Whether other people may have processes here.

    That is so under JupyterHub or a scheduler, with more than one person among the users that can log in, and
    where the user comes from a directory (LDAP, Active Directory), whose other members can log in as well.
    People of a directory are mostly in no list: they are known by a process or a home directory.
    An administrator (root) is taken for the one person that the machine has.
    """
    if any(name in os.environ for name in _SERVICES):
        return True
    try:
        import pwd
    except ImportError:  # Windows
        return False
    me = os.getuid()
    listed = {user.pw_uid: user.pw_shell for user in pwd.getpwall()}
    people = {uid for uid, shell in listed.items() if _is_person(uid, shell)}
    for uid in {me, *_seen()} - listed.keys():
        with contextlib.suppress(KeyError):  # of a container, which has users of its own
            if _is_person(uid, pwd.getpwuid(uid).pw_shell):
                people.add(uid)
                if uid == me:
                    return True
    if me and me in listed:  # a service's user, too
        people.add(me)
    return len(people) > 1


def with_key(settings: Settings, home: Home) -> Settings:
    """``settings`` with an API key where one is needed: made at the first start, kept in the home (0600).

    A node that asked for a key once goes on to ask for one, so that a setting that was lost opens nothing:
    if need be for that of the home, until :func:`forget_key`.
    Raises :class:`~bago_jupyter.errors.StateError`.
    """
    made = secrets.token_urlsafe(24).encode()
    kept = home.load(FILE, _read, blank=made, lost="another API key was made, which clients need from now on")
    wanted = settings.api_key is not None
    shared = not wanted and is_shared()
    if kept is None:
        if not wanted and not shared:
            return settings
        home.write(FILE, made)
        kept = made.decode()
    if wanted:
        return settings
    if not shared:
        home.notice(
            "This node asked for an API key before, and is given none now: clients need the one in "
            f"{home.root / FILE}; remove that file to let every user of this machine in."
        )
    return settings.replace(api_key=kept)


def forget_key(home: Home) -> None:
    """The owner wants no key any more: none is asked for, but where the machine is shared.

    Raises :class:`~bago_jupyter.errors.StateError`.
    """
    home.remove(FILE)


def _read(data: bytes) -> str:
    if _OLD_KEY.fullmatch(data) is None:
        raise ValueError("not a key of this module")
    return data.decode()


def _is_person(uid: int, shell: str) -> bool:
    if uid < FIRST_PERSON or any(first <= uid <= last for first, last in _NOBODYS):
        return False
    return not shell.endswith(_NO_LOGIN)


def _seen() -> Iterator[int]:
    """The users of whom there is a process, or a home directory beside this user's."""
    for folder, names in (("/proc", str.isdecimal), (os.path.dirname(os.path.expanduser("~")), None)):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if names is None or names(entry.name):
                    with contextlib.suppress(OSError):
                        yield entry.stat(follow_symlinks=False).st_uid
