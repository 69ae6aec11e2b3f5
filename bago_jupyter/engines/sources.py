"""What a user may name as the source of a model, and how each kind is fetched."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import msgspec

from ..errors import InvalidRequest, PullFailed
from ..text import clean
from .modelfile import MAX_PARTS, SPLIT
from .safetensors import is_model
from .starters import STARTERS, Starter

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")


class FromStarter(msgspec.Struct, frozen=True):
    starter: Starter


class FromPath(msgspec.Struct, frozen=True):
    path: Path
    files: tuple[Path, ...]
    """Empty for a folder of safetensors."""


class FromUrl(msgspec.Struct, frozen=True):
    urls: tuple[str, ...]


class FromHub(msgspec.Struct, frozen=True):
    repo: str
    revision: str | None
    files: tuple[str, ...]


Source = FromStarter | FromPath | FromUrl | FromHub


def resolve(text: str) -> tuple[Source, str]:
    """The source that ``text`` means, and the id its model gets when nobody gives one.

    Looks at the disk for paths, else only at the text. Raises :class:`InvalidRequest`.
    """
    if "\0" in text or not text:
        raise InvalidRequest(f"Name what to pull: {_possible()}.", param="source")
    if (starter := STARTERS.get(text)) is not None:
        return FromStarter(starter), starter.name
    scheme = text.partition(":")[0].lower()
    if scheme in ("http", "https"):
        return _url(text)
    if scheme == "hf":
        return _hub(text[3:])
    if scheme == "file":
        text = unquote(_split(text).path)
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        user = clean(text.partition("/")[0], 64)
        raise InvalidRequest(f"There is no user {user} here; write the whole path.", param="source") from None
    if path.is_dir():
        if not is_model(path):
            raise InvalidRequest(f"{path} holds no model: a folder needs config.json and .safetensors files.")
        return FromPath(path, ()), _default(path.absolute().name)
    if path.is_file():
        files = tuple(path.with_name(name) for name in split_names(path.name))
        missing = next((file.name for file in files if not file.is_file()), None)
        if missing is not None:
            raise InvalidRequest(
                f"{_stem(path.name)} is incomplete: {missing} is missing in {path.parent}.", param="source"
            )
        return FromPath(path, files), _default(_stem(path.name))
    if "/" in text or os.sep in text or text.startswith((".", "~")) or text.lower().endswith(".gguf"):
        raise InvalidRequest(f"There is no file {path}.", param="source")
    near = difflib.get_close_matches(text, STARTERS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise InvalidRequest(f"Cannot pull {text!r}; possible are {_possible()}.{hint}", param="source")


def checked_id(name: str) -> str:
    """``name`` as the id of a model. Raises :class:`InvalidRequest` if it could lead out of the folder."""
    name = re.sub(r"\.gguf$", "", name, flags=re.IGNORECASE)
    segments = name.split("/")
    if (
        len(segments) > 2
        or not all(_SEGMENT.fullmatch(part) for part in segments)
        or name.endswith(".partial")
    ):
        raise InvalidRequest(
            f"{name!r} cannot be the name of a model; use letters, digits and ._+-, with at most one slash.",
            param="name",
        )
    return name


def hub() -> str:
    """The URL of the hub that this node asks; its owner may name a mirror in ``HF_ENDPOINT``."""
    import huggingface_hub

    return os.environ.get("HF_ENDPOINT") or huggingface_hub.constants.ENDPOINT


def hub_urls(source: FromHub) -> list[tuple[str, dict[str, str], str | None]]:
    """URL, headers and SHA-256 (if the hub tells) of each file. Asks the hub: call it in a thread.

    Raises :class:`PullFailed`.
    """
    import huggingface_hub
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    endpoint = os.environ.get("HF_ENDPOINT") or None
    headers: dict[str, str] = build_hf_headers(library_name="bago-jupyter")
    answers = []
    for file in source.files:
        try:
            url = huggingface_hub.hf_hub_url(source.repo, file, revision=source.revision, endpoint=endpoint)
            metadata: Any = huggingface_hub.get_hf_file_metadata(url, endpoint=endpoint)
        except Exception as error:  # its errors share no base, and differ between its versions
            why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise PullFailed(f"hf:{source.repo}/{file} cannot be fetched: {why}.") from None
        etag = str(metadata.etag or "")
        answers.append((url, headers, etag if re.fullmatch(r"[0-9a-f]{64}", etag) else None))
    return answers


def split_names(name: str) -> list[str]:
    """All parts of the split model that the file ``name`` is a part of; else just ``name``."""
    match = SPLIT.match(name)
    if match is None:
        return [name]
    count = int(match["count"])
    if not 1 <= count <= MAX_PARTS:
        raise InvalidRequest(f"{name} claims {count} parts.")
    return [f"{match['stem']}-{no:05}-of-{count:05}.gguf" for no in range(1, count + 1)]


def mark(text: str, source: Source) -> str:
    """Tells this source from others, and from a changed file, without keeping what may be secret."""
    if isinstance(source, FromPath):
        stats = [file.stat() for file in source.files or (source.path,)]
        text = "|".join([str(source.path.resolve()), *(f"{s.st_size}-{s.st_mtime_ns}" for s in stats)])
    return hashlib.sha256(text.encode()).hexdigest()


def _url(text: str) -> tuple[Source, str]:
    parts = _split(text)
    folder, _, quoted = parts.path.rpartition("/")
    name = unquote(quoted)
    if not parts.hostname or not name:
        raise InvalidRequest("The URL names no file.", param="source")
    if SPLIT.match(name):
        urls = [urlunsplit(parts._replace(path=f"{folder}/{part}")) for part in split_names(name)]
    else:
        urls = [text]
    return FromUrl(tuple(urls)), _default(_stem(name))


def _split(text: str) -> SplitResult:
    """The parts of a URL. Raises :class:`InvalidRequest`."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise InvalidRequest(
            "That is no URL: its host or its port cannot be read; write http://host:port/file.gguf.",
            param="source",
        ) from None
    return parts


def _hub(text: str) -> tuple[Source, str]:
    parts = text.strip("/").split("/")
    if len(parts) < 3 or not all(parts):
        raise InvalidRequest(
            f"hf:{text} names no file; write hf:organisation/repository/file.gguf.", param="source"
        )
    repo, _, revision = f"{parts[0]}/{parts[1]}".partition("@")
    folder = "".join(f"{part}/" for part in parts[2:-1])
    if any(part in (".", "..") for part in parts):
        raise InvalidRequest(f"hf:{text} is not a path in a repository.", param="source")
    files = tuple(folder + name for name in split_names(parts[-1]))
    return FromHub(repo, revision or None, files), _default(_stem(parts[-1]))


def _stem(name: str) -> str:
    match = SPLIT.match(name)
    return match["stem"] if match else re.sub(r"\.gguf$", "", name, flags=re.IGNORECASE)


def _default(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name).lstrip("._+-")[:128] or "model"


def _possible() -> str:
    starters = ", ".join(
        name if starter.chats else f"{name} (completes text only)" for name, starter in STARTERS.items()
    )
    return f"the starters {starters}, a path, a URL, or hf:organisation/repository/file.gguf"
