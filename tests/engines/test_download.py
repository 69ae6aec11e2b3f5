from __future__ import annotations

import asyncio
import errno
import hashlib
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from engines.making import until
from engines.serving import Script, serving

from bago_jupyter.engines import download as module
from bago_jupyter.engines.download import disk_error, download
from bago_jupyter.errors import PullFailed
from bago_jupyter.wire import Progress

DATA = random.Random(1).randbytes(3_000_000)
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF", 0.01)


def fetch(url: str, part: Path, sha256: str | None = None) -> tuple[str, list[Progress]]:
    seen: list[Progress] = []
    return asyncio.run(download(url, part, report=seen.append, sha256=sha256)), seen


def test_a_whole_file(tmp_path: Path) -> None:
    with serving(Script(DATA)) as url:
        digest, seen = fetch(f"{url}/m.gguf", tmp_path / "p")
    assert digest == SHA and (tmp_path / "p").read_bytes() == DATA
    assert seen[-1].done == seen[-1].total == len(DATA)
    assert [p.done for p in seen] == sorted(p.done for p in seen)


def test_a_broken_transfer_is_resumed(tmp_path: Path) -> None:
    script = Script(DATA, drops=[1_000_000, 500_000])
    with serving(script) as url:
        digest, seen = fetch(f"{url}/m.gguf", tmp_path / "p", SHA)
    assert digest == SHA and (tmp_path / "p").read_bytes() == DATA
    assert [asked.get("range") for asked in script.asked] == [None, "bytes=1000000-", "bytes=1500000-"]
    assert script.asked[1]["if-range"] == '"v1"'
    assert any(p.message and p.message.startswith("Trying again") for p in seen)


def test_a_server_without_ranges(tmp_path: Path) -> None:
    script = Script(DATA, drops=[1_000_000], ranges=False)
    with serving(script) as url:
        assert fetch(f"{url}/m.gguf", tmp_path / "p")[0] == SHA
    assert (tmp_path / "p").read_bytes() == DATA and len(script.asked) == 2


def test_a_file_that_changed_meanwhile_starts_over(tmp_path: Path) -> None:
    script = Script(b"x" * len(DATA), drops=[1_000_000] * 50)
    with serving(script) as url:

        async def first() -> None:
            task = asyncio.create_task(download(f"{url}/m", tmp_path / "p", report=lambda _: None))
            await until(lambda: (tmp_path / "p").is_file() and (tmp_path / "p").stat().st_size)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(first())
        script.data, script.etag, script.drops = DATA, '"v2"', []
        script.asked.clear()
        assert fetch(f"{url}/m", tmp_path / "p")[0] == SHA
    assert "range" in script.asked[0] and (tmp_path / "p").read_bytes() == DATA


def test_a_part_without_validator_is_not_trusted(tmp_path: Path) -> None:
    script = Script(DATA, drops=[1_000_000], etag=None)
    with serving(script) as url:
        assert fetch(f"{url}/m", tmp_path / "p")[0] == SHA
    assert "range" not in script.asked[1]


def test_a_cancelled_download_goes_on_later(tmp_path: Path) -> None:
    import threading

    script = Script(DATA, hold=threading.Event())
    part = tmp_path / "p"
    with serving(script) as url:

        async def run() -> None:
            task = asyncio.create_task(download(f"{url}/m", part, report=lambda _: None))
            await until(lambda: part.is_file() and part.stat().st_size >= module.BLOCK)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(run())
        size = part.stat().st_size
        assert script.hold is not None
        script.hold.set()
        script.hold = None
        assert fetch(f"{url}/m", part)[0] == SHA
    assert script.asked[-1]["range"] == f"bytes={size}-" and part.read_bytes() == DATA


def test_a_wrong_digest_leaves_nothing(tmp_path: Path) -> None:
    with serving(Script(DATA)) as url, pytest.raises(PullFailed, match=f"has SHA-256 {SHA}, expected"):
        fetch(f"{url}/m", tmp_path / "p", "0" * 64)
    assert not list(tmp_path.iterdir())


def test_a_wrong_length_is_noticed(tmp_path: Path) -> None:
    with (
        serving(Script(DATA, length=len(DATA) + 5, drops=[len(DATA)] * 9)) as url,
        pytest.raises(PullFailed, match="broke off"),
    ):
        fetch(f"{url}/m", tmp_path / "p")


def test_transient_answers_are_retried(tmp_path: Path) -> None:
    with serving(Script(DATA, statuses=[503, 429])) as url:
        assert fetch(f"{url}/m", tmp_path / "p")[0] == SHA


def test_it_gives_up_and_keeps_what_came(tmp_path: Path) -> None:
    with (
        serving(Script(DATA, drops=[1_000_000, 0, 0, 0, 0, 0, 0])) as url,
        pytest.raises(PullFailed, match="broke off"),
    ):
        fetch(f"{url}/m", tmp_path / "p")
    assert (tmp_path / "p").read_bytes() == DATA[:1_000_000]


def test_refusals_are_clear_and_keep_secrets(tmp_path: Path) -> None:
    with serving(Script(DATA, statuses=[404, 403])) as url:
        for status in (404, 403):
            with pytest.raises(PullFailed, match=f"answered {status}") as caught:
                fetch(url.replace("//", "//user:hunter2@") + "/m?token=hunter3", tmp_path / "p")
            assert "hunter" not in caught.value.message
    with pytest.raises(PullFailed, match="broke off"):
        fetch(f"{url}/m?token=hunter3", tmp_path / "p")
    with serving(Script(DATA, compress=True)) as url, pytest.raises(PullFailed, match="compressing"):
        fetch(f"{url}/m", tmp_path / "p")


def test_too_little_space_is_seen_before(tmp_path: Path) -> None:
    with serving(Script(DATA, length=1 << 60)) as url, pytest.raises(PullFailed, match="MB free"):
        fetch(f"{url}/m", tmp_path / "p")


def test_disk_errors(tmp_path: Path) -> None:
    assert "is full" in disk_error(OSError(errno.ENOSPC, "No space"), tmp_path).message
    assert "Permission denied" in disk_error(OSError(errno.EACCES, "Permission denied"), tmp_path).message


def test_a_file_of_unknown_length_leaves_the_margin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / "p"
    disk = module.MARGIN + 2 * module.BLOCK

    def usage(folder: object) -> SimpleNamespace:
        return SimpleNamespace(free=disk - (part.stat().st_size if part.exists() else 0))

    monkeypatch.setattr(module.shutil, "disk_usage", usage)
    script = Script(DATA, untold=True)
    with (
        serving(script) as url,
        pytest.raises(PullFailed, match=r"does not fit: the disk of .* is full; free"),
    ):
        fetch(f"{url}/m", part)
    assert part.stat().st_size <= 2 * module.BLOCK and len(script.asked) == 1
    disk += len(DATA)
    with serving(script) as url:
        assert fetch(f"{url}/m", part)[0] == SHA


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("file:///etc/passwd", "leads to a file: address, and only http and https"),
        ("ftp://127.0.0.1/m", "leads to a ftp: address"),
        ("data:text/plain,hello", "leads to a data: address"),
        ("javascript:alert(1)", "leads to a javascript: address"),
        ("gopher://x", "leads to a gopher: address"),
        ("http://[::1/m", "leads to what is no URL"),
        ("/m", "Exceeded maximum allowed redirects"),
    ],
)
def test_a_redirect_to_anything_but_a_web_server_is_final(tmp_path: Path, location: str, says: str) -> None:
    script = Script(DATA, location=location)
    with serving(script) as url, pytest.raises(PullFailed, match="cannot be fetched: .*" + says) as caught:
        fetch(f"{url}/m", tmp_path / "p")
    assert "passwd" not in caught.value.message and caught.value.message.endswith(".")
    assert len(script.asked) == (1 if location != "/m" else 21)
    script.location = "/there"
    with serving(script) as url:
        assert fetch(f"{url}/m", tmp_path / "p")[0] == SHA


@pytest.mark.parametrize(
    "told", ["bytes \u00b2-5/10", "bytes 1200000-5/\u00b2", f"bytes {'9' * 5000}-5/{'9' * 5000}"]
)
def test_a_range_that_is_no_range(tmp_path: Path, told: str) -> None:
    script = Script(DATA, drops=[1_200_000], content_range=told)
    with serving(script) as url:
        assert fetch(f"{url}/m", tmp_path / "p")[0] == SHA


def test_a_validator_that_cannot_be_sent_is_none(tmp_path: Path) -> None:
    script = Script(DATA, etag='"caf\u00e9"', drops=[1_200_000])
    with serving(script) as url:
        assert fetch(f"{url}/m", tmp_path / "p")[0] == SHA
    assert not any("range" in asked for asked in script.asked)


def test_what_cannot_be_read_is_no_fault_of_the_folder(tmp_path: Path) -> None:
    error = OSError(errno.EACCES, "Permission denied", "/elsewhere/m.gguf")
    assert disk_error(error, tmp_path).message == "Cannot read /elsewhere/m.gguf: Permission denied."
    error = OSError(errno.EACCES, "Permission denied", str(tmp_path / "m.gguf"))
    assert disk_error(error, tmp_path).message.startswith(f"Cannot write to {tmp_path}")


@pytest.mark.parametrize("host", ["xn--", "xn--a.xn--"])
def test_a_host_that_is_no_international_name(tmp_path: Path, host: str) -> None:
    with pytest.raises(PullFailed, match="cannot be fetched"):
        fetch(f"http://{host}/m", tmp_path / "p")
    script = Script(DATA, location=f"http://{host}/m")
    with serving(script) as url, pytest.raises(PullFailed, match="cannot be fetched"):
        fetch(f"{url}/m", tmp_path / "p")
