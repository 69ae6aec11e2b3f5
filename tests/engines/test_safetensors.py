from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from engines.making import make_folder

from bago_jupyter.engines.safetensors import is_model, read_folder
from bago_jupyter.errors import ModelFileError


def weights(folder: Path, tensors: object, data: int) -> None:
    header = json.dumps(tensors).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(data))


def test_packed_words_count_as_what_they_hold(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m", {"quantization": {"bits": 4, "group_size": 64}})
    weights(
        folder,
        {
            "w.weight": {"dtype": "U32", "shape": [2, 8], "data_offsets": [0, 64]},
            "w.scales": {"dtype": "F16", "shape": [2, 1], "data_offsets": [64, 68]},
        },
        68,
    )
    found = read_folder(folder)
    assert (found.parameters, found.quantization) == (128, "4bit")


def test_inner_config_and_template(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m", {"max_position_embeddings": 7})
    assert not read_folder(folder).chat_template
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert read_folder(folder).chat_template
    (folder / "config.json").write_text(json.dumps({"text_config": {"max_position_embeddings": 9}}))
    assert read_folder(folder).context_length == 9


def test_what_is_a_model(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    assert is_model(folder)
    (folder / "config.json").unlink()
    assert not is_model(folder)


def test_damage_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    path = folder / "model.safetensors"
    whole = path.read_bytes()

    def refusal() -> str:
        with pytest.raises(ModelFileError) as caught:
            read_folder(folder)
        return caught.value.message

    path.write_bytes(whole[:-1])
    assert "truncated" in refusal()
    path.write_bytes(whole[:5])
    assert "truncated" in refusal()
    path.write_bytes(struct.pack("<Q", 4) + b"[[[[")
    assert "not JSON" in refusal()
    weights(folder, {"w": {"dtype": "F16", "shape": "no", "data_offsets": [0, 1]}}, 1)
    assert "damaged" in refusal()
    path.write_bytes(whole)
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "gone.safetensors"}})
    )
    assert refusal() == "m is incomplete: gone.safetensors is missing."
    (folder / "config.json").write_text("{")
    assert "not JSON" in refusal()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.safetensors.index.json", '{"weight_map": {"a": ["x"]}}'),
        ("model.safetensors.index.json", '{"weight_map": {"a": {"b": 1}}}'),
        ("model.safetensors.index.json", '{"weight_map": ["x"]}'),
        ("model.safetensors.index.json", "[]"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "' + "x" * 5000 + '"}}'),
        ("config.json", "[1]"),
        ("tokenizer_config.json", '"text"'),
    ],
)
def test_json_of_other_types_is_told_in_one_sentence(tmp_path: Path, file: str, content: str) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / file).write_text(content)
    with pytest.raises(ModelFileError) as caught:
        read_folder(folder)
    assert caught.value.message.startswith("m") and len(caught.value.message) < 700


def test_values_of_other_types_say_nothing(tmp_path: Path) -> None:
    odd = {"quantization": {"bits": True}, "max_position_embeddings": True, "model_type": ["x"]}
    found = read_folder(make_folder(tmp_path / "m", odd))
    assert (found.context_length, found.architecture, found.quantization) == (None, None, "F16")
