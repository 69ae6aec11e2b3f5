"""A model in several files, as llama.cpp splits them, from the listing to the answer."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import httpx
from engines.making import text
from engines.test_runner import make, running

from bago_jupyter.engines import gguf
from bago_jupyter.engines.scan import scan

ALIGNMENT = 32
U16, I32 = 2, 5


def split(source: Path, folder: Path, stem: str, count: int) -> list[Path]:
    """Write ``source`` in ``count`` files: the first has all metadata, each has its share of the tensors."""
    data = source.read_bytes()
    tensors, keys = struct.unpack_from("<QQ", data, 8)
    at = 24
    for _ in range(keys):
        _, at = gguf._string(data, at)
        (kind,) = struct.unpack_from("<I", data, at)
        at += 4
        if kind == 8:
            _, at = gguf._string(data, at)
        else:
            at = gguf._skip_array(data, at, "") if kind == 9 else at + gguf._READ[kind].size
    metadata = data[24:at]
    infos: list[tuple[bytes, int]] = []
    for _ in range(tensors):
        begin = at
        _, at = gguf._string(data, at)
        (dimensions,) = struct.unpack_from("<I", data, at)
        at += 4 + 8 * dimensions + 4
        infos.append((data[begin:at], *struct.unpack_from("<Q", data, at)))
        at += 8
    start = at + -at % ALIGNMENT
    ends = [*sorted(offset for _, offset in infos)[1:], len(data) - start]
    after = dict(zip(sorted(offset for _, offset in infos), ends, strict=True))
    share = -(-len(infos) // count)
    paths = []
    for number in range(count):
        head, body = b"", b""
        for info, offset in infos[number * share : (number + 1) * share]:
            head += info + struct.pack("<Q", len(body))
            body += data[start + offset : start + after[offset]]
            body += b"\0" * (-len(body) % ALIGNMENT)
        own = text("split.no") + struct.pack("<IH", U16, number)
        own += text("split.count") + struct.pack("<IH", U16, count)
        own += text("split.tensors.count") + struct.pack("<Ii", I32, tensors)
        mine = infos[number * share : (number + 1) * share]
        first = number == 0
        whole = b"GGUF" + struct.pack("<IQQ", 3, len(mine), 3 + (keys if first else 0))
        whole += (metadata if first else b"") + own + head
        path = folder / f"{stem}-{number + 1:05}-of-{count:05}.gguf"
        path.write_bytes(whole + b"\0" * (-len(whole) % ALIGNMENT) + body)
        paths.append(path)
    return paths


def test_a_split_model_answers(starter_gguf: Path, tmp_path: Path) -> None:
    paths = split(starter_gguf, tmp_path, "big", 3)
    found = scan(tmp_path)
    assert list(found) == ["big"] and found["big"].path == paths[0]
    assert found["big"].size == sum(path.stat().st_size for path in paths)

    async def ask(path: Path) -> str:
        async with running(make(path)) as client:
            assert isinstance(client, httpx.AsyncClient)
            asked = {"model": "smollm2", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0}
            answer = await client.post("/v1/chat/completions", json={**asked, "max_tokens": 8})
            return str(answer.json()["choices"][0]["message"]["content"])

    assert asyncio.run(ask(paths[0])) == asyncio.run(ask(starter_gguf))
