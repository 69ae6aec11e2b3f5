"""The header of a GGUF file: metadata, and whether every tensor lies inside the file.

Only the header is read, as plain bytes (a mapped file that shrinks under us would end the process),
and vocabularies are skipped. Package ``gguf`` needs seconds for the same file. Every count of a
hostile header is bounded by the bytes that are really there.
"""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import msgspec

from ..errors import ModelFileError

FIRST_READ = 4 << 20
MAX_HEADER = 64 << 20
MAX_TENSORS = 1 << 20
MAX_KEYS = 1 << 16
MOST_ELEMENTS = 1 << 50
"""Of one tensor: what claims more is not believed. JSON has no larger whole numbers either."""
MAX_TEXT = 1 << 20
"""Longest string that is kept, in bytes; chat templates are the longest that matter."""

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
_READ = {kind: struct.Struct(layout) for kind, layout in _SCALARS.items()}
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")

# ggml_type: name, elements in a block, bytes of a block (ggml.h)
TENSOR_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8),
    28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip

# general.file_type (llama_ftype of llama.h), as people write it
FILE_TYPES: dict[int, str] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
    19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL",
    26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16",
    36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4", 39: "NVFP4", 40: "Q1_0",
}  # fmt: skip


SAMPLES = 64
SAMPLE = 4096
"""Bytes of each place at which the data is looked at."""


class Header(msgspec.Struct, frozen=True):
    """What the header says. ``keys`` holds the scalars and strings; arrays are left out."""

    keys: dict[str, str | int | float | bool]
    parameters: int
    """Elements of all tensors together."""
    tensors: int
    main_type: str | None
    """The tensor type that most elements have."""
    start: int
    """Where the data begins."""
    end: int
    """Where the last tensor ends."""

    def text(self, key: str) -> str | None:
        value = self.keys.get(key)
        return value if isinstance(value, str) and value else None

    def number(self, key: str) -> int | None:
        value = self.keys.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_header(path: Path) -> Header:
    """Read and check the header of ``path``. Raises :class:`ModelFileError` with one sentence."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            header = _read(file, size, path.name)
            _check_data(file, header, path.name)
            return header
    except OSError as error:
        raise ModelFileError(f"{path.name} cannot be read: {error.strerror or error}.") from None


def _read(file: BinaryIO, size: int, name: str) -> Header:
    amount = FIRST_READ
    while True:
        file.seek(0)
        data = file.read(min(amount, size))
        _check_start(data, size, name)
        try:
            return _parse(data, size, name)
        except (struct.error, OverflowError, IndexError):
            # the header goes on after the bytes at hand
            if len(data) >= size or len(data) < min(amount, size):
                raise ModelFileError(f"{name} is truncated: it ends inside its header.") from None
            if amount >= MAX_HEADER:
                raise ModelFileError(f"{name} is damaged: its header has no end.") from None
            amount *= 4


def _check_start(data: bytes, size: int, name: str) -> None:
    if size == 0:
        raise ModelFileError(f"{name} is empty.")
    if data[:4] != b"GGUF":
        raise ModelFileError(f"{name} is not a GGUF file (it does not begin with GGUF).")
    if len(data) < 24:
        raise ModelFileError(f"{name} is truncated: it ends inside its header.")
    (version,) = _U32.unpack_from(data, 4)
    if version == 1:
        raise ModelFileError(f"{name} is GGUF version 1, which llama.cpp no longer reads; convert it anew.")
    if version not in (2, 3):
        if int.from_bytes(data[4:8], "big") in (2, 3):
            raise ModelFileError(f"{name} is a big-endian GGUF file, which this machine cannot run.")
        raise ModelFileError(f"{name} has GGUF version {version}; versions 2 and 3 are known.")


def _parse(data: bytes, size: int, name: str) -> Header:
    (tensor_count,) = _U64.unpack_from(data, 8)
    (key_count,) = _U64.unpack_from(data, 16)
    if tensor_count > MAX_TENSORS or key_count > MAX_KEYS:
        raise ModelFileError(
            f"{name} is damaged: it claims {tensor_count} tensors and {key_count} metadata keys."
        )
    keys: dict[str, str | int | float | bool] = {}
    at = 24
    for _ in range(key_count):
        key, at = _string(data, at)
        (kind,) = _U32.unpack_from(data, at)
        at += 4
        if kind == _STRING:
            value, at = _string(data, at)
            keys[key] = value
        elif kind == _ARRAY:
            at = _skip_array(data, at, name)
        elif kind in _READ:
            (keys[key],) = _READ[kind].unpack_from(data, at)
            at += _READ[kind].size
        else:
            raise ModelFileError(f"{name} is damaged: metadata key {key[:60]!r} has the unknown type {kind}.")
    return _tensors(data, at, tensor_count, size, name, keys)


def _tensors(
    data: bytes, at: int, count: int, size: int, name: str, keys: dict[str, str | int | float | bool]
) -> Header:
    elements: Counter[int] = Counter()
    last, last_name = 0, ""
    for _ in range(count):
        tensor, at = _string(data, at)
        (n_dims,) = _U32.unpack_from(data, at)
        if n_dims > 4:
            raise ModelFileError(f"{name} is damaged: tensor {tensor[:60]!r} has {n_dims} dimensions.")
        number = 1
        for i in range(n_dims):
            number *= _U64.unpack_from(data, at + 4 + 8 * i)[0]
        if number > MOST_ELEMENTS:
            raise ModelFileError(f"{name} is damaged: tensor {tensor[:60]!r} claims {number} elements.")
        at += 4 + 8 * n_dims
        (kind,) = _U32.unpack_from(data, at)
        (offset,) = _U64.unpack_from(data, at + 4)
        at += 12
        _, block, width = TENSOR_TYPES.get(kind, ("", 1, 0))
        end = offset + -(-number // block) * width
        elements[kind] += number
        if end > last:
            last, last_name = end, tensor
    alignment = keys.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
        raise ModelFileError(f"{name} is damaged: its alignment is {alignment!r}.")
    start = -(-at // alignment) * alignment
    if start + last > size:
        raise ModelFileError(
            f"{name} is truncated: tensor {last_name[:60]!r} ends at byte {start + last}, the file at {size}."
        )
    main = elements.most_common(1)[0][0] if elements else -1
    return Header(keys, elements.total(), count, TENSOR_TYPES.get(main, (None, 0, 0))[0], start, start + last)


def _check_data(file: BinaryIO, header: Header, name: str) -> None:
    """Tell weights from the zeros of a file that was made in its full length before it was filled.

    Weights hold single zeros, and rows of them for words that never occur, but no eighth of a file.
    """
    length = header.end - header.start
    if length <= SAMPLES * SAMPLE:
        file.seek(header.start)
        if length and not any(file.read(length)):
            raise ModelFileError(
                f"{name} holds nothing but zeros where its weights should be; fetch it again."
            )
        return
    blank = 0
    for i in range(SAMPLES):  # from the end
        file.seek(header.start + (length - SAMPLE) * (SAMPLES - 1 - i) // (SAMPLES - 1))
        if any(file.read(SAMPLE)):
            break
        blank += 1
    if blank == SAMPLES:
        raise ModelFileError(f"{name} holds nothing but zeros where its weights should be; fetch it again.")
    if blank >= SAMPLES // 8:
        raise ModelFileError(f"{name} ends in zeros: its download did not finish; fetch it again.")


def _string(data: bytes, at: int) -> tuple[str, int]:
    (length,) = _U64.unpack_from(data, at)
    end = at + 8 + length
    if end > len(data):
        raise IndexError
    return data[at + 8 : min(end, at + 8 + MAX_TEXT)].decode("utf-8", "replace"), end


def _skip_array(data: bytes, at: int, name: str) -> int:
    (kind,) = _U32.unpack_from(data, at)
    (count,) = _U64.unpack_from(data, at + 4)
    at += 12
    if kind in _READ:
        return int(at + count * _READ[kind].size)
    if kind != _STRING:
        raise ModelFileError(f"{name} is damaged: an array of its metadata has the unknown type {kind}.")
    if count * 8 > MAX_HEADER:
        raise ModelFileError(f"{name} is damaged: an array of its metadata claims {count} strings.")
    length = _U64.unpack_from
    for _ in range(count):
        at += 8 + int(length(data, at)[0])
    return at
