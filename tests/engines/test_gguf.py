from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from engines.making import KEYS, gguf_bytes, make_gguf, pair, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bago_jupyter.engines import gguf
from bago_jupyter.engines.gguf import Header, read_header
from bago_jupyter.errors import ModelFileError

WHOLE = gguf_bytes()
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refusal(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        read_header(path)
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message
    return caught.value.message


def test_keys_and_sizes_are_read(tmp_path: Path) -> None:
    header = read_header(make_gguf(tmp_path / "m.gguf"))
    assert header.keys["general.architecture"] == "llama"
    assert header.keys["tokenizer.ggml.add_bos_token"] is True
    assert header.number("tokenizer.ggml.add_bos_token") is None
    assert header.number("llama.context_length") == 4096
    assert "tokenizer.ggml.tokens" not in header.keys
    assert (header.parameters, header.tensors, header.main_type) == (64, 1, "Q8_0")


def test_a_real_model(starter_gguf: Path) -> None:
    header = read_header(starter_gguf)
    assert header.text("general.name") == "Smollm2 135M 8k Lc100K Mix1 Ep2"
    assert header.parameters == 134_515_008
    assert header.tensors == 272


def test_a_header_longer_than_the_first_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "FIRST_READ", 32)
    assert read_header(make_gguf(tmp_path / "m.gguf")).parameters == 64


def test_a_header_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "FIRST_READ", 64)
    monkeypatch.setattr(gguf, "MAX_HEADER", 64)
    assert "has no end" in refusal(tmp_path / "m.gguf", WHOLE)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"hello, this is no model at all", "is not a GGUF file"),
        (b"GGUF\x03\0\0\0", "is truncated"),
        (gguf_bytes(version=1), "version 1"),
        (gguf_bytes(version=9), "version 9"),
        (b"GGUF\0\0\0\x03" + bytes(16), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1), "claims"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 1 << 60), "claims"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, (1 << 64) - 1) + bytes(64), "truncated"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<I", 77), "unknown type 77"),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 9, 1) + bytes(99),
            "array",
        ),
        (
            b"GGUF"
            + struct.pack("<IQQ", 3, 0, 1)
            + text("k")
            + struct.pack("<IIQ", 9, 8, 1 << 62)
            + bytes(99),
            "claims",
        ),
        (
            b"GGUF"
            + struct.pack("<IQQ", 3, 0, 1)
            + text("k")
            + struct.pack("<IIQ", 9, 4, 1 << 62)
            + bytes(99),
            "claims|truncated",
        ),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair("general.alignment", 0), "alignment"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("t") + struct.pack("<I", 5) + bytes(99), "dimensions"),
        (WHOLE[:-1], "truncated"),
    ],
)
def test_damage_is_named(tmp_path: Path, data: bytes, says: str) -> None:
    assert any(part in refusal(tmp_path / "m.gguf", data) for part in says.split("|"))


@FUZZ
@given(length=st.integers(0, len(WHOLE) - 1))
def test_every_shorter_file_is_refused(tmp_path: Path, length: int) -> None:
    refusal(tmp_path / "m.gguf", WHOLE[:length])


@FUZZ
@given(at=st.integers(0, len(WHOLE) - 9), patch=st.binary(min_size=1, max_size=8))
def test_any_damage_is_survived(tmp_path: Path, at: int, patch: bytes) -> None:
    data = bytearray(WHOLE)
    data[at : at + len(patch)] = patch
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    with contextlib.suppress(ModelFileError):
        assert isinstance(read_header(path), Header)


@FUZZ
@given(tail=st.binary(max_size=400))
def test_any_content_is_survived(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0" + tail)
    with contextlib.suppress(ModelFileError):
        assert isinstance(read_header(path), Header)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_header(tmp_path / "none.gguf")


def test_all_kinds_of_values_are_covered() -> None:
    assert {type(value) for value in KEYS.values()} == {str, int, float, bool, list}
