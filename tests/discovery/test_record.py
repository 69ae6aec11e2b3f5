"""TXT records: the seed's table out, and whatever strangers send in."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bago_jupyter.discovery.record import (
    MAX_NAME,
    MAX_RECORD,
    Announcement,
    BadRecord,
    decode,
    encode,
    properties,
)
from bago_jupyter.text import clean

FINGERPRINT = "fp_" + "0a" * 32
REQUIRED = {"name": "My GO Node", "fingerprint": FINGERPRINT, "port": "11434", "version": "0.9.0"}


def announcement(**fields) -> Announcement:
    return Announcement(
        **{"name": "My GO Node", "fingerprint": FINGERPRINT, "port": 11434, "version": "0.9.0", **fields}
    )


def packed(*strings: bytes | str) -> bytes:
    raw = [string.encode() if isinstance(string, str) else string for string in strings]
    return b"".join(bytes([len(string)]) + string for string in raw)


def record(**fields: str | bytes) -> bytes:
    """The required strings with ``fields`` in their place; an empty one is left out."""
    merged = {**REQUIRED, **fields}
    return packed(
        *(k.encode() + b"=" + (v.encode() if isinstance(v, str) else v) for k, v in merged.items() if v != "")
    )


def test_every_field_of_the_table() -> None:
    full = announcement(engines=("llama-cpp", "mlx"), models=5, accelerator="metal")
    assert properties(full) == {**REQUIRED, "engines": "llama-cpp,mlx", "models": "5", "accelerator": "metal"}
    assert decode(encode(full)) == full


@pytest.mark.parametrize("engines", [None, ()])
def test_without_engines_there_is_no_engines_and_no_models(engines) -> None:
    assert properties(announcement(engines=engines, models=5)) == REQUIRED


def test_unknown_fields_are_omitted() -> None:
    assert properties(announcement(engines=("mlx",))) == {**REQUIRED, "engines": "mlx"}
    assert properties(announcement(engines=("mlx",), models=0))["models"] == "0"
    assert decode(record()).engines is None
    assert decode(record()).models is None


def test_an_empty_value_is_as_good_as_none() -> None:
    read = decode(packed(*(f"{k}={v}" for k, v in REQUIRED.items()), "engines=", "models=", "accelerator="))
    assert (read.engines, read.models, read.accelerator) == (None, None, None)


def test_keys_match_in_any_case_the_first_counts_and_others_are_ignored() -> None:
    strings = [f"{k.upper()}={v}" for k, v in REQUIRED.items()]
    assert decode(packed(*strings, "name=Impostor", "flag", "=x", "later=1")).name == "My GO Node"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        record(fingerprint=""),
        record(fingerprint="fp_" + "0A" * 32),
        record(fingerprint="fp_" + "0a" * 31),
        record(fingerprint=FINGERPRINT + "\n"),
        record(name=""),
        record(name=" \t "),
        record(name="\u200b\u202e\u3164"),
        record(name=b"\xff\xfe"),
        record(version="\x00"),
        record(port=""),
        record(port="0"),
        record(port="65536"),
        record(port="-1"),
        record(port="8080 "),
        record(port="٨٠٨٠"),
        record(port="1e3"),
        record(models="-1"),
        record(models="99999999"),
        record()[:-1],
        record() + packed(*["x=" + "y" * 200] * 6),
    ],
)
def test_a_bad_record_is_one_clear_error(text: bytes) -> None:
    with pytest.raises(BadRecord, match="it"):
        decode(text)


def test_names_are_shown_as_one_harmless_line() -> None:
    assert decode(record(name="a\x1b[31m\u202eb\u2066\nc\x00\td")).name == "a[31mb c d"
    assert decode(record(name="<script>alert(1)</script>")).name == "<script>alert(1)</script>"
    assert decode(record(name="z" + "\u0301" * 60)).name == "ź\u0301\u0301"
    assert decode(record(name="Zoë 日本 🦙")).name == "Zoë 日本 🦙"
    assert len(decode(record(name="n" * 200)).name) == MAX_NAME


def test_an_announcement_that_nobody_could_read_is_refused() -> None:
    for bad in (announcement(name="\u200b"), announcement(port=0), announcement(fingerprint="fp_x")):
        with pytest.raises(BadRecord):
            encode(bad)


def test_long_values_fit() -> None:
    full = announcement(name="🦙" * 63, engines=tuple(f"engine-{n:020}" for n in range(50)))
    read = decode(encode(full))
    assert read.name.startswith("🦙" * 60)
    assert read.engines
    assert full.engines[: len(read.engines)] == read.engines


def test_the_instance_name_fits_and_tells_equal_names_apart() -> None:
    assert announcement().instance == "My GO Node 0a0a0a0a"
    long = announcement(name="🦙.日本" * 20).instance
    assert len(long.encode()) <= 63
    assert long.endswith(" 0a0a0a0a")
    assert "." not in long


def some_bytes(dice: random.Random, longest: int) -> bytes:
    return dice.randbytes(dice.randint(0, longest))


def some_text(dice: random.Random) -> bytes:
    """Letters of all planes, and those with a meaning to terminals and lists."""
    letters = (
        dice.choice([chr(dice.randint(0, 0x10FFFF)), chr(dice.randint(0, 0x2FF)), *"\x1b\u202e, =1a"])
        for _ in range(dice.randint(0, 40))
    )
    return "".join(letters).encode("utf-8", "replace")


def something_sent(dice: random.Random) -> bytes:
    """Bytes, strings of bytes, or a record some of whose fields hold anything."""
    kind = dice.randrange(3)
    if kind == 0:
        return some_bytes(dice, 300)
    if kind == 1:
        return packed(*(some_bytes(dice, 60) for _ in range(dice.randint(0, 8))))
    keys = ("name", "version", "port", "engines", "models", "accelerator", "fingerprint")
    chosen = [key for key in keys if dice.random() < 0.2]
    return record(
        **{key: some_text(dice) if dice.random() < 0.6 else some_bytes(dice, 200) for key in chosen}
    )


@settings(max_examples=10_000)
@given(st.integers(0, 2**64))
def test_nothing_that_is_sent_can_crash_or_get_through(seed: int) -> None:
    text = something_sent(random.Random(seed))
    try:
        read = decode(text)
    except BadRecord:
        return
    assert len(text) <= MAX_RECORD
    assert 1 <= read.port <= 65535
    shown = [read.name, read.version, read.accelerator or "x", *(read.engines or ())]
    for value in shown:
        assert value == value.strip() != ""
        assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in value)
    again = decode(encode(read))
    assert again == (read if read.engines else announcement_without_models(read))


def announcement_without_models(read: Announcement) -> Announcement:
    return Announcement(
        name=read.name,
        fingerprint=read.fingerprint,
        port=read.port,
        version=read.version,
        accelerator=read.accelerator,
    )


@settings(max_examples=2_000)
@given(st.text(max_size=80), st.integers(1, 70))
def test_cleaning_twice_changes_nothing(text: str, limit: int) -> None:
    once = clean(text, limit)
    assert len(once) <= limit
    assert clean(once, limit) == once
