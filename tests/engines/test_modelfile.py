from __future__ import annotations

import hashlib
import shutil
import threading
from pathlib import Path

import pytest
from engines.making import KEYS, make_folder, make_gguf

from bago_jupyter.engines.modelfile import digest, read_model, weight_files
from bago_jupyter.errors import ModelFileError


def test_the_starter(starter_gguf: Path) -> None:
    model = read_model(starter_gguf, "smollm2")
    assert model.engine == "llama.cpp" and model.format == "gguf"
    assert (model.architecture, model.parameters, model.quantization) == ("llama", 134_515_008, "Q4_1")
    assert (model.context_length, model.chat_template, model.license) == (8192, True, "apache-2.0")
    assert model.tasks == ("generate", "embed")
    assert model.size == starter_gguf.stat().st_size


@pytest.mark.parametrize(
    ("keys", "tasks"),
    [
        ({"general.architecture": "bert", "bert.pooling_type": 1}, ("embed",)),
        ({"general.architecture": "bert", "bert.pooling_type": 4}, ("rerank",)),
        ({"general.architecture": "qwen3", "qwen3.pooling_type": 4}, ("rerank",)),
        ({"general.architecture": "qwen3"}, ("generate", "embed")),
    ],
)
def test_tasks(tmp_path: Path, keys: dict[str, object], tasks: tuple[str, ...]) -> None:
    assert read_model(make_gguf(tmp_path / "m.gguf", keys), "m").tasks == tasks


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"general.architecture": "clip"}, "vision part"),
        ({"general.architecture": "llama", "general.type": "adapter"}, "LoRA adapter"),
        ({}, "names no architecture"),
    ],
)
def test_files_that_are_no_models(tmp_path: Path, keys: dict[str, object], says: str) -> None:
    with pytest.raises(ModelFileError, match=says):
        read_model(make_gguf(tmp_path / "m.gguf", keys), "m")


def test_without_a_file_type_the_tensors_tell(tmp_path: Path) -> None:
    keys = {key: value for key, value in KEYS.items() if key != "general.file_type"}
    assert read_model(make_gguf(tmp_path / "m.gguf", keys), "m").quantization == "Q8_0"


def test_a_split_model_is_one(tmp_path: Path) -> None:
    parts = [make_gguf(tmp_path / f"big-{no:05}-of-00003.gguf") for no in (1, 2, 3)]
    model = read_model(parts[0], "big")
    assert model.size == sum(part.stat().st_size for part in parts)
    assert model.parameters == 3 * 64
    whole = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    assert digest(parts[0], threading.Event()) == f"sha256:{whole}"
    parts[1].unlink()
    with pytest.raises(ModelFileError, match=r"incomplete: big-00002-of-00003\.gguf is missing"):
        read_model(parts[0], "big")


def test_a_split_model_of_absurd_size(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="claims 99999 parts"):
        weight_files(make_gguf(tmp_path / "big-00001-of-99999.gguf"))


def test_a_folder(tmp_path: Path) -> None:
    model = read_model(make_folder(tmp_path / "m"), "m")
    assert (model.engine, model.format, model.parameters, model.quantization) == (
        "mlx",
        "safetensors",
        6,
        "F16",
    )
    assert (model.architecture, model.context_length, model.tasks) == ("llama", 2048, ("generate",))


def test_a_digest_can_be_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert digest(make_gguf(tmp_path / "m.gguf"), stop) is None


def test_a_truncated_real_model(starter_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.gguf"
    shutil.copyfile(starter_gguf, path)
    with path.open("r+b") as file:
        file.truncate(50_000_000)
    with pytest.raises(ModelFileError, match="truncated"):
        read_model(path, "half")
