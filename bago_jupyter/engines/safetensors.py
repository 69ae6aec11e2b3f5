"""Folders of safetensors with a ``config.json``, as MLX and transformers write them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ..errors import ModelFileError
from ..wire import LONGEST_CONTEXT
from .gguf import MOST_ELEMENTS
from .names import shown, word

MAX_JSON = 64 << 20
T = TypeVar("T")
INDEX = "model.safetensors.index.json"


class _Tensor(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class _Index(msgspec.Struct):
    weight_map: dict[str, str] = {}


class Folder(msgspec.Struct, frozen=True):
    """What the files of the folder say."""

    architecture: str | None
    context_length: int | None
    parameters: int
    quantization: str | None
    chat_template: bool


def weights(folder: Path) -> list[Path]:
    """The weight files of ``folder``, in order of name; to open a pipe would wait for its other end."""
    found = folder.glob("*.safetensors")
    return sorted(path for path in found if not path.name.startswith(".") and path.is_file())


def is_model(folder: Path) -> bool:
    """Whether ``folder`` looks like a model: a ``config.json`` beside weights."""
    return (folder / "config.json").is_file() and bool(weights(folder))


def read_folder(folder: Path) -> Folder:
    """Read and check every header. Raises :class:`ModelFileError` with one sentence."""
    config = _json(folder / "config.json", dict[str, Any])
    files = weights(folder)
    if not files:
        raise ModelFileError(f"{folder.name} holds no .safetensors file.")
    if (folder / INDEX).is_file():
        names = sorted(set(_json(folder / INDEX, _Index).weight_map.values()))
        missing = next((name for name in names if not os.path.isfile(folder / name)), None)
        if missing is not None:
            raise ModelFileError(f"{folder.name} is incomplete: {word(missing)} is missing.")
    inner = config.get("text_config")
    text: dict[str, Any] = inner if isinstance(inner, dict) else {}
    quantization = config.get("quantization")
    bits = _whole(quantization.get("bits"), 64) if isinstance(quantization, dict) else None
    elements: Counter[str] = Counter()
    for file in files:
        elements += _elements(file, bits)
    kind = elements.most_common(1)[0][0] if elements else None
    length = config.get("max_position_embeddings", text.get("max_position_embeddings"))
    architecture = config.get("model_type")
    return Folder(
        architecture=word(architecture) if isinstance(architecture, str) else None,
        context_length=_whole(length, LONGEST_CONTEXT),
        parameters=elements.total(),
        quantization=f"{bits}bit" if bits else word(kind),
        chat_template=_has_template(folder),
    )


def _elements(file: Path, bits: int | None) -> Counter[str]:
    """Parameters of one file by type; packed words of MLX count as what they hold."""
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > size - 8:
                raise ModelFileError(f"{file.name} is truncated: it ends inside its header.")
            if length > MAX_JSON:
                raise ModelFileError(f"{file.name} is damaged: its header claims {length} bytes.")
            header = msgspec.json.decode(stream.read(length), type=dict[str, Any])
    except OSError as error:
        raise ModelFileError(f"{file.name} cannot be read: {error.strerror or error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ModelFileError(f"{file.name} is damaged: its header is not JSON.") from None
    header.pop("__metadata__", None)
    try:
        tensors = msgspec.convert(header, dict[str, _Tensor])
    except msgspec.ValidationError as error:
        raise ModelFileError(f"{file.name} is damaged: {error}.") from None
    end = max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)
    if 8 + length + end > size:
        raise ModelFileError(
            f"{file.name} is truncated: its tensors need {8 + length + end} bytes of {size}."
        )
    counts: Counter[str] = Counter()
    for name, tensor in tensors.items():
        number = 1
        for extent in tensor.shape:
            number *= max(0, extent)
        if bits:
            if name.endswith((".scales", ".biases")):
                continue
            if tensor.dtype == "U32":
                number = number * 32 // bits
        if number > MOST_ELEMENTS:
            raise ModelFileError(
                f"{file.name} is damaged: tensor {name[:60]!r} claims {len(tensor.shape)} "
                "dimensions of absurd size."
            )
        counts[tensor.dtype] += number
    return counts


def _whole(value: object, most: int) -> int | None:
    """``value`` where it is a whole number from 1 to ``most``."""
    return value if isinstance(value, int) and value is not True and 0 < value <= most else None


def _json(path: Path, kind: type[T]) -> T:
    try:
        if path.stat().st_size > MAX_JSON:
            raise ModelFileError(f"{path.name} is damaged: it is larger than any such file.")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise ModelFileError(f"{path.name} cannot be read: {error.strerror or error}.") from None
    except msgspec.ValidationError as error:
        raise ModelFileError(f"{path.parent.name}/{path.name} is damaged: {shown(str(error))}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ModelFileError(f"{path.parent.name}/{path.name} is not JSON.") from None


def _has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file():
        return True
    path = folder / "tokenizer_config.json"
    return path.is_file() and bool(_json(path, dict[str, Any]).get("chat_template"))
