"""``bago-jupyter``: the magic's verbs in a terminal, and a node without a kernel.

``serve`` runs a node in the foreground; every other verb talks to the node of the home.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from . import launch
from ._version import __version__
from .errors import BagoError
from .magics.parse import Given, first_words, parse_arguments, second_words, suggest
from .magics.quiet import Usage
from .magics.session import Session
from .magics.show import clean, holds
from .magics.table import VERBS, Option
from .magics.verbs.connections import rows as mesh_rows
from .magics.verbs.models import everywhere
from .magics.verbs.nodes import history
from .magics.verbs.pairing import look_around
from .magics.verbs.stats import rows as stats_rows
from .settings import NAMES, PREFIX, SECRETS, Settings, is_text
from .wire import NodeFile

LISTS: dict[str, Callable[[Given], Any]] = {
    "status": lambda given: launch.node().status(),
    "models": lambda given: everywhere(launch.node()),
    "why": lambda given: launch.node().why(given.argument or None),
    "stats": stats_rows,
    "log": lambda given: launch.node().log(given.options.get("lines", 50)),
    "discover": lambda given: look_around(launch.node()),
    "keys": lambda given: launch.node().keys(),
    "apikeys": lambda given: launch.node().api_keys(),
    "route": lambda given: launch.node().routes(),
    "requests": lambda given: launch.node().requests(),
    "nodes": lambda given: _nodes(given),
    "nodes show": lambda given: launch.node().paired(given.argument),
    "mesh": lambda given: mesh_rows(),
    "mesh list": lambda given: launch.node().connections(),
    "mesh show": lambda given: launch.node().connection(given.argument),
    "mesh health": lambda given: _health(given),
    "mesh models": lambda given: launch.node().connection_models(given.argument),
    "topology": lambda given: launch.node().topology(),
    "nodes ping": lambda given: launch.node().ping(given.argument),
}
"""Verbs that ``--json`` prints as the management API gives them."""
NOT_HERE = ("up", "reset", "help", "ui")
"""Verbs of the magic that mean nothing between two processes."""
_NO_OUTPUT = "Cannot write the output: "
_UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""What writing to an output fails with; of files of their own the verbs tell themselves."""
EVERYWHERE = (Option(("--home",), "the node of that home"), Option(("--json",), "for programs", "flag"))
"""Options of every verb."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 for an error said on stderr, 130 for Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    launch.caller = "cli"
    _print_anything()
    try:
        if sys.stdout is None and words[:1] != ["serve"]:  # as Python has it where the shell closed it
            raise BagoError(_NO_OUTPUT + f"{os.strerror(errno.EBADF)}.")
        words = _take_home(words)
        if words[-1:] in (["--help"], ["-h"]) and " ".join(words[:-1]) in VERBS:
            words = ["help", *words[:-1]]
        if not words or words == ["help"] or words[0] in ("-h", "--help"):
            print(_overview())
        elif words[0] in ("-V", "--version"):
            print(f"bago-jupyter {__version__}")
        elif words[0] == "serve":
            _serve(words[1:])
        elif words[0] == "run":
            return _run(words[1:])
        else:
            _verb(words)
        _flush()
    except BagoError as error:
        print(f"bago: {clean(error.message)}", file=sys.stderr)
        return 1
    except UnicodeDecodeError as error:
        print(f"bago: The input is no text in {error.encoding}.", file=sys.stderr)
        return 1
    except UnicodeEncodeError:  # bytes that are no text are kept in a string as they are
        of = "Something" if all(map(is_text, words)) else "An argument"
        print(f"bago: {of} holds bytes that are no text in this terminal's encoding.", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output has seen enough
        _leave_output()
        return 1
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITTEN:
            raise
        print(f"bago: {_NO_OUTPUT}{error.strerror}.", file=sys.stderr)
        _leave_output()
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"bago: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        return 130
    return 0


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _leave_output() -> None:
    """Nothing more is written, also not at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _verb(words: list[str]) -> None:
    name = words[0]
    if name not in VERBS or (name in NOT_HERE and name != "help"):
        raise Usage(f"There is no command {name}. {suggest(name, _names())}")
    given = parse_arguments(words, EVERYWHERE)
    if home := given.options.pop("home", None):
        os.environ[PREFIX + "HOME"] = home
    if given.options.pop("json", False):
        if given.verb.name not in LISTS:
            raise Usage(f"{given.verb.name} has no --json; {', '.join(LISTS)} have.")
        print(_json(LISTS[given.verb.name](given)))
    elif name == "down":
        launch.node().shutdown()
    else:
        module, function = given.verb.run.split(":")
        verbs = __import__(f"bago_jupyter.magics.verbs.{module}", fromlist=[function])
        getattr(verbs, function)(Session(None), given)


def _json(value: Any) -> str:
    """``value`` for programs: a character that the output cannot hold is escaped, not replaced."""
    text = msgspec.json.format(msgspec.json.encode(value)).decode()
    return text if holds(text) else json.dumps(json.loads(text), indent=2)


def _print_anything() -> None:
    """Replace what the encoding of the output cannot hold, as cp932, cp1252 and ASCII cannot hold much."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _nodes(given: Given) -> Any:
    client = launch.node()
    if given.options.get("history"):
        return history(client, given.argument)
    return client.paired(given.argument) if given.argument else client.nodes()


def _health(given: Given) -> Any:
    client = launch.node()
    return client.check_connection(given.argument) if given.argument else client.check_connections()


def _serve(words: list[str]) -> None:
    """``serve [--until-eof] [--SETTING VALUE ...]``: one JSON line on stdout once the API answers."""
    values: dict[str, str] = {}
    until_eof = False
    rest = iter(words)
    for word in rest:
        name, has_value, value = word.removeprefix("--").partition("=")
        if word == "--until-eof":
            until_eof = True
        elif not word.startswith("--"):
            raise Usage(f"serve does not take {word!r}; it takes --SETTING VALUE.")
        elif name.replace("-", "_") in SECRETS:
            variable = PREFIX + name.replace("-", "_").upper()
            raise Usage(f"A key does not belong in a command line; set {variable}.")
        else:
            values[name.replace("-", "_")] = value if has_value else next(rest, "")
    try:
        launch.serve(Settings.load(values), until_eof=until_eof, ready=_announce)
    except BagoError as error:
        if until_eof:  # whoever started this reads the reason there
            print(error.message, flush=True)
        raise


def _run(words: list[str]) -> int:
    """``run NOTEBOOK [--save-to FILE]``."""
    from .runbooks import run

    if len(words) not in (1, 3) or (len(words) == 3 and words[1] != "--save-to"):
        raise Usage("run needs a notebook: bago-jupyter run NOTEBOOK [--save-to FILE]")
    return run(Path(words[0]), save_to=Path(words[2]) if len(words) == 3 else None)


def _announce(file: NodeFile) -> None:
    public = {"url": f"http://{file.host}:{file.port}/v1", "port": file.port, "pid": file.pid}
    print(msgspec.json.encode(public).decode(), flush=True)


def _take_home(words: list[str]) -> list[str]:
    """``--home DIR`` before a command names the node; ``serve`` takes it as a setting, and a verb as an
    option, before a prompt."""
    if "--home" in (words if words[:1] == ["run"] else words[:1]):
        at = words.index("--home")
        if at + 1 == len(words):
            raise Usage("--home needs a directory.")
        os.environ[PREFIX + "HOME"] = words[at + 1]
        return words[:at] + words[at + 2 :]
    return words


def _names() -> list[str]:
    return ["serve", "run", *(name for name in first_words() if name not in NOT_HERE)]


def _overview() -> str:
    lines = [
        "bago-jupyter COMMAND, with:",
        "  serve     run a node here until it is interrupted",
        "  run       execute a notebook in a kernel and print what it shows",
    ]
    for name in _names()[2:]:
        more = ", ".join(second_words(VERBS[name]))
        lines.append(f"  {name:<10}{VERBS[name].help}{f'; with a word more: {more}' if more else ''}")
    lines += [
        f"--json: {', '.join(LISTS)}. --home DIR: the node of that home.",
        f"serve takes --SETTING VALUE, with: {', '.join(name.replace('_', '-') for name in NAMES)}.",
    ]
    return "\n".join(lines)
