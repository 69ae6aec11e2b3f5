"""The text of connection keys."""

from __future__ import annotations

import ipaddress
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bago_jupyter.trust import address, names
from bago_jupyter.trust.connection_key import LONGEST, ConnectionKey, _check
from bago_jupyter.trust.refusal import BadKey

NOW = 1_800_000_000.0
ADDRESSES = ["192.168.1.20:8080", "[fe80::1%eth0]:8080", "[2001:db8::7]:8081", "box.tail1234.ts.net:8080"]
FINGERPRINT = "fp_" + "0123456789abcdef" * 4


def a_key(**changes) -> ConnectionKey:
    values = {"name": "Büro & GPU", "fingerprint": FINGERPRINT, "addresses": ADDRESSES, "expires": NOW + 600}
    return ConnectionKey.make(**(values | changes))


def parse(text: str) -> ConnectionKey:
    return ConnectionKey.parse(text, now=NOW)


def with_check(covered: str) -> str:
    return f"{covered}&c={_check(covered)}"


def some_host(dice: random.Random) -> str:
    six = str(ipaddress.IPv6Address(dice.getrandbits(128)))
    return dice.choice(
        [
            str(ipaddress.IPv4Address(dice.getrandbits(32))),
            six,
            f"{six}%{''.join(dice.choices('eth0123._-', k=dice.randint(1, 15)))}",
            ".".join(
                "".join(dice.choices("abcdexyz-0", k=8)).strip("-") + "a" for _ in range(dice.randint(1, 4))
            ),
        ]
    )


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, database=None)
@given(name=st.text(max_size=12), seed=st.integers(0, 2**64))
def test_round_trip(name, seed):
    dice = random.Random(seed)
    known = list(
        dict.fromkeys(
            address.join(some_host(dice), dice.randint(1, 65535)) for _ in range(dice.randint(1, 3))
        )
    )
    expires = int(NOW) + dice.randint(1, 10**8)
    key = ConnectionKey.make(name, "fp_" + dice.randbytes(32).hex(), known, expires)
    assert parse(str(key)) == key
    assert (key.name, key.addresses) == (names.clean(name), known)
    assert key.secret.reveal() not in repr(key)


@settings(max_examples=1000, deadline=None, database=None)
@given(text=st.text(max_size=60), shape=st.integers(0, 3))
def test_fuzz_never_anything_but_one_sentence(text, shape):
    if shape >= 1:
        text = f"bago://h:1/pair?v=1&{text}"
    if shape >= 2:
        text = with_check(text)
    with pytest.raises(BadKey) as caught:
        parse(text)
    assert_one_sentence(str(caught.value))


TEMPLATE = str(a_key()).rpartition("&c=")[0]


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, database=None)
@given(seed=st.integers(0, 2**64), repaired=st.booleans())
def test_fuzz_of_a_real_key(seed, repaired):
    """Letters lost, doubled, changed, fields moved; a forger can also repair the checksum."""
    dice = random.Random(seed)
    text = TEMPLATE
    for _ in range(dice.randint(1, 4)):
        i = dice.randrange(len(text))
        j = min(len(text), i + dice.randint(0, 12))
        change = dice.randrange(4)
        if change == 0:
            text = text[:i] + text[j:]
        elif change == 1:
            text = text[:j] + text[i:]
        elif change == 2:
            text = (
                text[:i]
                + chr(dice.choice([dice.randint(33, 126), dice.randint(0, 0x10FFFF)]))
                + text[i + 1 :]
            )
        else:
            parts = text.split("&")
            dice.shuffle(parts)
            text = "&".join(parts)
    text = with_check(text) if repaired else f"{text}&c={_check(TEMPLATE)}"
    try:
        key = parse(text)
    except BadKey as error:
        assert_one_sentence(str(error))
    else:
        assert repaired or text == f"{TEMPLATE}&c={_check(TEMPLATE)}"
        assert parse(str(key)) == key  # a key of its own, as good as any that a forger makes up


def assert_one_sentence(text: str) -> None:
    assert text.endswith((".", ")."))
    assert "\n" not in text and len(text) < 240


def test_every_truncation_is_told():
    text = str(a_key())
    for length in range(len(text)):
        with pytest.raises(BadKey) as caught:
            parse(text[:length])
        if length > 5:
            assert "damaged or incomplete" in str(caught.value)


def test_every_flipped_bit_is_told():
    text = str(a_key()).encode()
    for place in range(len(text)):
        for bit in range(8):
            broken = bytearray(text)
            broken[place] ^= 1 << bit
            with pytest.raises(BadKey):
                parse(broken.decode("latin-1"))


@pytest.mark.parametrize(
    "mangle",
    [
        lambda t: f"  {t}\n",
        lambda t: "\n".join(t[i : i + 40] for i in range(0, len(t), 40)),
        lambda t: "\r\n    ".join(t[i : i + 70] for i in range(0, len(t), 70)),
        lambda t: f"`{t}`",
        lambda t: f'"{t}"',
        lambda t: f"<{t}>",
        lambda t: t.replace("&", "&amp;"),
        lambda t: "\ufeff" + t[:50] + "\u200b" + t[50:],
    ],
    ids=["blanks", "wrapped", "quoted mail", "backticks", "quotes", "brackets", "html", "invisible"],
)
def test_what_copying_does_to_a_key_does_not_matter(mangle):
    key = a_key()
    assert parse(mangle(str(key))) == key


def test_expired():
    key = a_key(expires=NOW - 200)
    with pytest.raises(BadKey, match=r"expired 3 minutes ago; ask Büro & GPU for a new one"):
        parse(str(key))
    edge = a_key(expires=NOW)
    with pytest.raises(BadKey, match="expired a moment ago"):
        parse(str(edge))


def test_another_version_is_not_called_damaged():
    covered = str(a_key()).rpartition("&c=")[0].replace("v=1", "v=2")
    with pytest.raises(BadKey, match="another version"):
        parse(with_check(covered))


@pytest.mark.parametrize("text", ["", "hello", "http://192.168.1.20:8080/pair?v=1", "sk-abcdef"])
def test_no_key_at_all(text):
    with pytest.raises(BadKey, match="starts with 'bago://'"):
        parse(text)


def test_too_long():
    with pytest.raises(BadKey, match="too long"):
        parse("bago://" + "x" * 3 * LONGEST)


def test_a_hostile_name_is_cleaned():
    key = a_key(name="evil\x1b[31m\u202e<script>\n")
    assert parse(str(key)).name == "evil[31m<script>"


def test_no_address():
    with pytest.raises(BadKey, match="no address"):
        a_key(addresses=["nonsense"])


def test_secret_size_and_freshness():
    first, second = a_key(), a_key()
    assert first.id != second.id and first.secret != second.secret
    assert len(first.secret.reveal()) == 24  # 144 bits


def test_a_proof_is_good_for_one_transcript_and_key():
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key, other = a_key(), a_key()
    verifier = Ed25519PublicKey.from_public_bytes(key.public_key())
    verifier.verify(key.prove(b"t"), b"t")
    for proof, transcript in ((key.prove(b"t"), b"u"), (other.prove(b"t"), b"t")):
        with pytest.raises(InvalidSignature):
            verifier.verify(proof, transcript)
    assert parse(str(key)).public_key() == key.public_key()
