"""A node whose home and folder of models hold what nobody expects."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from api.inside import running
from engines.making import gguf_bytes, make_gguf, until

from bago_jupyter.client import AsyncNodeClient
from bago_jupyter.core import Node
from bago_jupyter.errors import SettingsError
from bago_jupyter.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 need Linux")


async def answered(node: Node, path: str, body: dict[str, Any] | None = None) -> Any:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.file.port}", timeout=60) as client:
        answer = await (client.get(path) if body is None else client.post(path, json=body))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_name_that_is_not_utf8_is_one_broken_model(tmp_path: Path, starter_gguf: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "smol.gguf").symlink_to(starter_gguf)
    first, later = (os.fsencode(models / name) for name in ("a\udce9.gguf", "b\udce9.gguf"))

    def write(path: bytes) -> None:
        with open(path, "wb") as file:
            file.write(gguf_bytes())

    async def main() -> None:
        write(first)  # before the start, and while it runs
        async with running(home=tmp_path) as node:
            write(later)
            await until(lambda: len(node.library.broken) == 2)
            listed = await answered(node, "/v1/models")
            assert [model["id"] for model in listed["data"]] == ["smol"]
            async with AsyncNodeClient(node.file) as client:
                said = {model.id: model.error for model in await client.models()}
                assert said["a\\xe9"] == "a\\xe9.gguf has a name that is not UTF-8; rename it."
                assert said["smol"] is None and (await client.status()).library == 1
                await client.remove("a\\xe9")

    asyncio.run(main())
    assert not os.path.exists(first) and os.path.exists(later)


def test_a_home_with_a_space_and_an_accent_works(tmp_path: Path, starter_gguf: Path) -> None:
    home = tmp_path / "mon café é"
    (home / "models").mkdir(parents=True)
    (home / "models" / "le modèle.gguf").symlink_to(starter_gguf)

    async def main() -> None:
        async with running(home=home, context_length=512, slots=1) as node:
            asked = {"model": "le modèle", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
            answer = await answered(node, "/v1/chat/completions", asked)
            assert answer["usage"]["completion_tokens"] == 2
            assert (await answered(node, "/v1/models/le modèle"))["id"] == "le modèle"

    asyncio.run(main())


def test_a_home_that_is_not_utf8_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not UTF-8; choose another"):
        Settings.load({"home": tmp_path / "caf\udce9"}, {})
    with pytest.raises(SettingsError, match="is not UTF-8; choose another"):
        Settings.load({}, {"BAGO_HOME": str(tmp_path / "caf\udce9")})


def test_a_file_that_is_gone_while_nobody_looks_is_not_found(tmp_path: Path) -> None:
    make_gguf(tmp_path / "models" / "m.gguf")

    async def main() -> None:
        async with running(home=tmp_path) as node:
            (tmp_path / "models" / "m.gguf").unlink()
            await until(lambda: not node.library.models)
            assert (await answered(node, "/v1/models"))["data"] == []

    asyncio.run(main())
