"""Small model files made by hand, and small helpers."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

U32, FLOAT, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9
PATIENCE = 60.0


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key: str, value: Any) -> bytes:
    if isinstance(value, bool):
        body = struct.pack("<I?", BOOL, value)
    elif isinstance(value, int):
        body = struct.pack("<II", U32, value)
    elif isinstance(value, float):
        body = struct.pack("<If", FLOAT, value)
    elif isinstance(value, str):
        body = struct.pack("<I", STRING) + text(value)
    elif value and isinstance(value[0], str):
        body = struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(map(text, value))
    else:
        body = struct.pack("<IIQ", ARRAY, U32, len(value)) + b"".join(struct.pack("<I", v) for v in value)
    return text(key) + body


KEYS: dict[str, Any] = {
    "general.architecture": "llama",
    "general.file_type": 7,
    "general.license": "mit",
    "llama.context_length": 4096,
    "llama.rope.freq_base": 10000.0,
    "tokenizer.ggml.tokens": ["a", "b", "äöü"],
    "tokenizer.ggml.token_type": [1, 2, 3],
    "tokenizer.chat_template": "{{ messages }}",
    "tokenizer.ggml.add_bos_token": True,
}


def gguf_bytes(keys: dict[str, Any] | None = None, *, elements: int = 64, version: int = 3) -> bytes:
    """A GGUF file with one Q8_0 tensor (32 elements in 34 bytes)."""
    keys = KEYS if keys is None else keys
    head = b"GGUF" + struct.pack("<IQQ", version, 1, len(keys))
    head += b"".join(pair(key, value) for key, value in keys.items())
    head += text("blk.0.weight") + struct.pack("<IQQIQ", 2, elements, 1, 8, 0)
    head += b"\0" * (-len(head) % 32)
    return head + bytes(i % 251 for i in range(elements // 32 * 34))


def make_gguf(path: Path, keys: dict[str, Any] | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf_bytes(keys, **options))
    return path


def make_folder(path: Path, config: dict[str, Any] | None = None) -> Path:
    """A folder of safetensors with one F16 tensor of 2 x 3."""
    path.mkdir(parents=True, exist_ok=True)
    settings = {"model_type": "llama", "max_position_embeddings": 2048}
    (path / "config.json").write_text(json.dumps(settings | (config or {})))
    header = json.dumps({"w": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}).encode()
    (path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 12)
    return path


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Wait until ``condition`` holds."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < patience, "it did not happen"
        await asyncio.sleep(0.01)
