"""What a model file says about itself."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from ..errors import ModelFileError
from ..wire import LONGEST_CONTEXT
from .gguf import FILE_TYPES, Header, read_header
from .names import word
from .safetensors import read_folder, weights

Format = Literal["gguf", "safetensors"]

SPLIT = re.compile(r"^(?P<stem>.+)-(?P<no>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)
MAX_PARTS = 1000
_RANK = 4
"""``LLAMA_POOLING_TYPE_RANK``: the model is a reranker."""
_ENCODERS = frozenset(
    ("bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3", "modern-bert",
     "eurobert", "gemma-embedding", "llama-embed", "t5encoder")
)  # fmt: skip
_NOT_MODELS = {
    "clip": "the vision part of a model, not a model",
    "adapter": "a LoRA adapter, not a model",
    "mmproj": "the vision part of a model, not a model",
    "imatrix": "an importance matrix, not a model",
}


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """A model on disk: one GGUF file, the parts of a split one, or a folder of safetensors."""

    id: str
    path: Path
    """The GGUF file (of a split one the first part), or the folder."""
    format: Format
    engine: str
    size: int
    """Bytes of the weights, all parts together."""
    architecture: str | None = None
    parameters: int | None = None
    quantization: str | None = None
    context_length: int | None = None
    """Tokens the model was trained for."""
    chat_template: bool = False
    tasks: tuple[str, ...] = ("generate",)
    """What it can do: of ``generate``, ``embed`` and ``rerank``."""
    license: str | None = None
    stamp: str = ""
    """Changes whenever the content may have changed; given by the library."""
    digest: str | None = None
    """``sha256:<hex>`` of the weights (of several files: of their bytes one after another), once known."""


def read_model(path: Path, id: str) -> ModelFile:
    """Read the headers of ``path``, a few milliseconds of disk and decoding: call it in a thread.

    Raises :class:`ModelFileError` with one sentence when it is not a whole model.
    """
    if path.is_dir():
        return _read_folder(path, id)
    files = weight_files(path)
    headers = [read_header(file) for file in files]
    first = headers[0]
    what = first.text("general.type") or ""
    architecture = first.text("general.architecture")
    if (wrong := _NOT_MODELS.get(what) or _NOT_MODELS.get(architecture or "")) is not None:
        raise ModelFileError(f"{path.name} is {wrong}.")
    if architecture is None:
        raise ModelFileError(f"{path.name} is not a language model: it names no architecture.")
    parameters = sum(header.parameters for header in headers)
    if not parameters:
        raise ModelFileError(f"{path.name} holds no weights.")
    return ModelFile(
        id=id,
        path=path,
        format="gguf",
        engine="llama.cpp",
        size=sum(file.stat().st_size for file in files),
        architecture=word(architecture),
        parameters=parameters,
        quantization=_quantization(first),
        context_length=_context_length(first, architecture),
        chat_template=first.text("tokenizer.chat_template") is not None,
        tasks=_tasks(first, architecture),
        license=word(first.text("general.license")),
    )


def weight_files(path: Path) -> list[Path]:
    """Every file that holds weights of the model at ``path``.

    Raises :class:`ModelFileError` when a part of a split model is missing.
    """
    if path.is_dir():
        return weights(path)
    match = SPLIT.match(path.name)
    if match is None:
        return [path]
    count = int(match["count"])
    if not 1 <= count <= MAX_PARTS:
        raise ModelFileError(f"{path.name} claims {count} parts.")
    files = [path.with_name(f"{match['stem']}-{no:05}-of-{count:05}.gguf") for no in range(1, count + 1)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise ModelFileError(f"{match['stem']} is incomplete: {missing[0]} is missing.")
    return files


def digest(path: Path, stop: threading.Event, progress: Callable[[int], None] | None = None) -> str | None:
    """``sha256:<hex>`` of the weights, or ``None`` once ``stop`` is set. Reads everything: use a thread."""
    total = 0
    state = hashlib.sha256()
    for file in weight_files(path):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                if stop.is_set():
                    return None
                state.update(block)
                total += len(block)
                if progress is not None:
                    progress(total)
    return "sha256:" + state.hexdigest()


def _read_folder(path: Path, id: str) -> ModelFile:
    folder = read_folder(path)
    return ModelFile(
        id=id,
        path=path,
        format="safetensors",
        engine="mlx",
        size=sum(file.stat().st_size for file in weights(path)),
        architecture=folder.architecture,
        parameters=folder.parameters,
        quantization=folder.quantization,
        context_length=folder.context_length,
        chat_template=folder.chat_template,
        tasks=("generate",),
    )


def _quantization(header: Header) -> str | None:
    file_type = header.number("general.file_type")
    return FILE_TYPES.get(-1 if file_type is None else file_type, header.main_type)


def _context_length(header: Header, architecture: str) -> int | None:
    length = header.number(f"{architecture}.context_length")
    return length if length and 0 < length <= LONGEST_CONTEXT else None


def _tasks(header: Header, architecture: str) -> tuple[str, ...]:
    if header.number(f"{architecture}.pooling_type") == _RANK:
        return ("rerank",)
    if architecture in _ENCODERS:
        return ("embed",)
    return ("generate", "embed")
