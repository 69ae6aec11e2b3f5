"""Settings of a node: an argument beats ``BAGO_*`` beats ``settings.toml`` beats the default.

An unknown name is an error that suggests the near one; in the environment, where other programs have
variables too, it is a warning.
"""

from __future__ import annotations

import difflib
import json
import logging
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import platformdirs

from .errors import SettingsError
from .state import Home, close, read_regular

PREFIX = "BAGO_"
SECRETS = ("api_key", "cluster_key")
"""Settings that are never shown."""
_UNKEPT = (*SECRETS, "external")
"""Settings that are not written; ``external`` would forbid a start without the API key, which is not kept."""
FILE = "settings.toml"
MOST_SLOTS, MOST_LAYERS = 256, 10_000
Policy = Literal["balanced", "round-robin", "weighted", "least-loaded", "fastest", "priority"]
POLICIES: tuple[str, ...] = get_args(Policy)
_IN_A_HEADER = re.compile(r"[\x20-\x7e]+")
_log = logging.getLogger("bago.settings")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a user may set. Instances are immutable; :meth:`load` makes them."""

    home: Path = msgspec.field(default_factory=lambda: default_home())
    """State directory: identity, settings, models, lock."""
    name: str | None = None
    """Name shown to people; ``None`` shows the host's name and forbids advertising."""
    port: int = 8080
    """First port to try; when it is taken the next free one is used, and said."""
    api_key: str | None = None
    """Key that clients of ``/v1`` must send; ``None`` leaves loopback open."""

    advertise: bool = False
    """Announce this node on the local network (mDNS); needs a name."""
    discovery: bool = True
    """Listen for other nodes where something wants to know them: advertising, a team key, a list."""
    cluster_key: str | None = None
    """Team key: nodes that share it pair on sight."""
    external: bool = False
    """Let plain HTTP clients of other machines use ``/v1``; needs an API key."""

    autoload: bool = True
    """Load a model of the library when the first request for it arrives."""
    idle_unload: float = 1800.0
    """Seconds without a request after which a runner is unloaded; 0 keeps it."""
    context_length: int = 8192
    """Largest context a runner is loaded with, in tokens per slot, where the model allows it."""
    slots: int = 4
    """Requests that a runner answers side by side."""
    gpu_layers: int = -1
    """Layers put on the GPU; -1 is as many as fit."""
    threads: int = 0
    """CPU threads of a runner; 0 is one less than there are cores, which leaves one to the kernel's cells."""
    load_timeout: float = 300.0
    """Seconds within which a model must be loaded."""

    max_body: int = 64 * 1024 * 1024
    """Largest request body, in bytes."""
    header_timeout: float = 300.0
    """Seconds a backend may take to its first response header."""
    idle_timeout: float = 120.0
    """Seconds without a byte in the middle of an answer after which its backend counts as frozen."""
    max_queue: int = 256
    """Requests that may wait for a slot; beyond it the answer is 429."""
    policy: Policy = "balanced"
    """How a backend is chosen among several that have the model."""

    loop: Literal["auto", "uvloop", "asyncio"] = "auto"
    """Event loop of the node's thread; ``auto`` is uvloop where it exists."""
    switch_interval: float = 0.0001
    """Interpreter switch interval in seconds while requests are in flight; 0 leaves it alone."""
    cell_share: float = 0.5
    """Share of the time that a busy cell keeps at least, while the relay is under full load."""
    takeover: bool = True
    """Whether a kernel that uses another kernel's node takes its place when that one dies."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __repr__(self) -> str:
        shown = {**msgspec.structs.asdict(self), **{k: "***" for k in SECRETS if getattr(self, k)}}
        return f"Settings({', '.join(f'{key}={value!r}' for key, value in shown.items())})"

    @property
    def models_dir(self) -> Path:
        """The watched folder of models."""
        return self.home / "models"

    @classmethod
    def load(
        cls, arguments: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
    ) -> Settings:
        """Merge the four sources.

        Raises :class:`SettingsError` for an unknown name, a value of the wrong type, or a
        ``settings.toml`` that is not TOML. An unknown name in the environment is warned of, once a process.
        """
        environ = os.environ if environ is None else environ
        given = {k: v for k, v in (arguments or {}).items() if v is not None}
        _check_names(given, "argument")
        from_env = {
            key.removeprefix(PREFIX).lower(): value
            for key, value in environ.items()
            if key.startswith(PREFIX)
        }
        _warn_of(from_env.keys() - set(NAMES))
        from_env = {name: value for name, value in from_env.items() if name in NAMES}
        for name, value in from_env.items():
            if name != "home" and not is_text(value):
                raise SettingsError(f"The environment variable {_variable(name)} is not UTF-8.", param=name)
        home = _home(given.get("home") or from_env.get("home"))
        if not is_text(str(home)):
            raise SettingsError(f"The home {str(home)!a} is not UTF-8; choose another one.", param="home")
        merged = {**_read_file(home / FILE), **from_env, **given, "home": str(home)}
        return _convert(merged)

    def replace(self, **changes: Any) -> Settings:
        """A copy with ``changes`` applied and checked."""
        _check_names(changes, "setting")
        return _convert({**msgspec.structs.asdict(self), **changes})

    def save(self, changes: Iterable[str]) -> None:
        """Keep the settings named in ``changes`` in ``settings.toml``; secrets and ``external`` are not."""
        path = self.home / FILE
        kept = {**_read_file(path), **{name: getattr(self, name) for name in changes if name not in _UNKEPT}}
        lines = [f"{name} = {_toml(value)}" for name, value in kept.items() if value is not None]
        Home(self.home).write(FILE, ("\n".join(lines) + "\n").encode(), sealed=False)


NAMES = tuple(field.name for field in msgspec.structs.fields(Settings))


def is_text(value: str) -> bool:
    """Whether it has no bytes in it that are not UTF-8, which Python keeps as halves of a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def default_home() -> Path:
    """Where state lives when nobody says otherwise. Raises :class:`SettingsError` for a user without one."""
    return _home(None)


def _home(named: str | Path | None) -> Path:
    try:
        return Path(named or platformdirs.user_data_dir("bago", appauthor=False)).expanduser().absolute()
    except (RuntimeError, KeyError):  # nobody of that name, or no entry for this user
        what = (
            f"The home {str(named)!r} names a user who is not known here"
            if named
            else "This user has no home"
        )
        raise SettingsError(f"{what}; name a folder in full (BAGO_HOME).", param="home") from None
    except FileNotFoundError:  # the current folder
        raise SettingsError(
            f"The home {str(named)!r} is in the current folder, which was deleted; "
            "name it in full (BAGO_HOME).",
            param="home",
        ) from None


def _convert(values: dict[str, Any]) -> Settings:
    values = {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}
    for name in SECRETS:  # a file or a secret of Kubernetes ends with a line break
        if isinstance(value := values.get(name), str):
            values[name] = value.strip()
    values = {k: v for k, v in values.items() if v != "" or k not in (*SECRETS, "name")}
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise SettingsError(f"Bad setting: {error}.") from None
    for name, low, high in _RANGES:
        value = getattr(settings, name)
        if not low <= value <= high:
            raise SettingsError(f"Setting {name} is {value}; it must be from {low} to {high}.", param=name)
    if settings.advertise and settings.name is None:
        raise SettingsError("A node needs a name before it can advertise itself: set name.", param="name")
    if settings.external and not settings.api_key:
        raise SettingsError(
            "External access needs an API key: set one (for good: BAGO_API_KEY), or switch it off.",
            param="external",
        )
    if settings.api_key is not None and not _IN_A_HEADER.fullmatch(settings.api_key):
        raise SettingsError(
            "Setting api_key must be of printable ASCII characters, as clients send it in a header.",
            param="api_key",
        )
    shown = settings.name
    if shown is not None and (not shown.strip() or len(shown) > 63 or not shown.isprintable()):
        raise SettingsError("Setting name must have 1 to 63 printable characters.", param="name")
    return settings


_RANGES = (
    ("port", 0, 65535),
    ("slots", 1, MOST_SLOTS),
    ("gpu_layers", -1, MOST_LAYERS),
    ("threads", 0, 1024),
    ("context_length", 256, 16_777_216),
    ("max_body", 1024, 1 << 33),
    ("max_queue", 1, 1 << 20),
    ("header_timeout", 0.01, 86_400),
    ("idle_timeout", 0.01, 86_400),
    ("load_timeout", 1, 86_400),
    ("idle_unload", 0, 1 << 31),
    ("switch_interval", 0, 1),
    ("cell_share", 0, 0.95),
)


_warned: set[str] = set()
"""Variables that this process has warned of."""


def _warn_of(unknown: Iterable[str]) -> None:
    for name in sorted(set(unknown) - _warned):
        _warned.add(name)
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f" Did you mean {_variable(near[0])}?" if near else ""
        _log.warning("The environment variable %s is no setting, and is left alone.%s", _variable(name), hint)


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _check_names(values: Mapping[str, Any], what: str) -> None:
    for name in values:
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1)
            hint = f" Did you mean {near[0]}?" if near else f" Known: {', '.join(NAMES)}."
            raise SettingsError(f"Unknown {what} {name}.{hint}", param=name)


def _toml(value: Any) -> str:
    """``value`` in TOML, whose strings are those of JSON but for DEL and halves of a surrogate pair."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _read_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(read_regular(path).decode("utf-8-sig"))  # Windows' Notepad writes a BOM
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"Cannot read {path}: {error.strerror}.") from None
    except ValueError as error:  # of a number with too many digits, too
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    except RecursionError:
        raise SettingsError(f"{path} is not valid TOML: it is nested too deep.") from None
    _check_names(values, f"setting in {path}:")
    if any(name in values for name in SECRETS):  # an editor made it, in a folder that others may read
        close(path)
    return values
