"""Entry of the llama.cpp runner: ``python -m bago_jupyter.engines.llama_server``.

Reads a :class:`RunnerSpec` as one JSON line from stdin, serves on the socket that it names, else on a free
port of 127.0.0.1, and ends when stdin does. Tells on stdout, one JSON object a line, ``{"event": "ready",
"url", "context_length", "slots"}`` or ``{"event": "error", "message"}``; everything else goes to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import psutil

from bago_jupyter.engines.gguf import read_header
from bago_jupyter.engines.guard import end_with_parent
from bago_jupyter.engines.spec import RunnerSpec

CACHE_SHARE = 16
"""The cache of prompts in main memory gets one part in so many."""
CACHE_MAX_MIB = 2048


def main() -> None:
    out = os.fdopen(os.dup(1), "wb", 0)
    os.dup2(2, 1)
    # unbuffered: what is read ahead here would be missed by the guard
    spec = msgspec.json.decode(_line(), type=RunnerSpec)
    end_with_parent()
    try:
        server = _serve(spec)
    except Exception as error:
        _tell(out, event="error", message=str(error))
        sys.stderr.flush()
        os._exit(1)
    # llama-server took SIGTERM to stop its loop only, which would leave this process idling
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _tell(
        out,
        event="ready",
        url=server.listening_address,
        context_length=spec.context_length,
        slots=spec.slots,
    )
    threading.Event().wait()


def parameters(spec: RunnerSpec) -> Any:
    """``CommonParams`` for ``spec``."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = spec.path
    params.model_alias = set(spec.aliases)
    params.hostnames = [spec.socket or "127.0.0.1"]
    params.port = 0
    params.api_keys = [spec.api_key] if spec.api_key else []
    params.ui = False
    params.endpoint_slots = True
    params.endpoint_metrics = True
    params.use_jinja = True
    # not unified: a slot then owns its part of the cache, and none can starve the others
    params.kv_unified = False
    params.n_parallel = spec.slots
    params.n_ctx = spec.context_length * spec.slots
    params.n_gpu_layers = spec.gpu_layers
    params.cache_ram_mib = _cache_mib()
    # chunks shifted to another place give other answers; prefixes are reused without this
    params.n_cache_reuse = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = spec.threads or spare_cores()
    if spec.task != "generate":
        params.embedding = True
        # an input is pooled in one piece, so the piece must hold the longest input
        params.n_batch = params.n_ubatch = spec.context_length
    pooling = xllamacpp.llama_pooling_type
    if spec.task == "rerank":
        params.pooling_type = pooling.LLAMA_POOLING_TYPE_RANK
    elif spec.task == "embed" and not _names_pooling(spec.path):
        # a chat model names none, and without one llama-server has no answer in OpenAI's form
        params.pooling_type = pooling.LLAMA_POOLING_TYPE_MEAN
    return params


def spare_cores() -> int:
    """Threads of a runner for which nobody set a number: one less than this process has cores.

    The threads of a layer wait for each other. Where one of them shares its core with a busy cell they all
    wait for the scheduler: on two cores 4 tokens/s remain of 81 with two threads, and 65 of 66 with one.
    """
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    return max(1, cores - 1)


def _names_pooling(path: str) -> bool:
    header = read_header(Path(path))
    return header.number(f"{header.text('general.architecture')}.pooling_type") is not None


def _serve(spec: RunnerSpec) -> Any:
    import xllamacpp

    return xllamacpp.Server(parameters(spec))


def _cache_mib() -> int:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return CACHE_MAX_MIB // 4
    return min(CACHE_MAX_MIB, (total >> 20) // CACHE_SHARE)


def _line() -> bytes:
    line = bytearray()
    while (byte := os.read(0, 1)) and byte != b"\n":
        line += byte
    if not byte:
        os._exit(0)
    return bytes(line)


def _tell(out: BinaryIO, **event: object) -> None:
    out.write(msgspec.json.encode(event) + b"\n")


if __name__ == "__main__":
    main()
