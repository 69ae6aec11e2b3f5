"""Addresses as text, and names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bago_jupyter.trust import address, names


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.7:8080", "192.0.2.7", 8080),
        ("[fe80::1%eth0]:8080", "fe80::1%eth0", 8080),
        ("[2001:db8::1]:1", "2001:db8::1", 1),
        ("Box-1.local:65535", "Box-1.local", 65535),
    ],
)
def test_good(text, host, port):
    assert address.split(text) == (host, port)
    assert address.join(host, port) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:-1",
        "host:٣",
        "host:8080\n",
        "1.2.3:80",
        "1.2.3.256:80",
        "::1:80",
        "[::1:80",
        "[::1]80",
        "[fe80::1%]:80",
        "[fe80::1%a b]:80",
        "[1.2.3.4]:80",
        "-bad:80",
        "a b:80",
        "user@host:80",
        "host/../x:80",
        "h" * 64 + ":80",
        ".".join(["abcd"] * 60) + ":80",
        "host:99999999999999999999",
    ],
)
def test_bad(text):
    with pytest.raises(ValueError):  # noqa: PT011
        address.split(text)


def test_only_good_ones():
    many = [f"10.0.0.{i}:80" for i in range(1, 40)]
    assert address.only_good(["x", many[0], many[0], *many]) == many[: address.LIMIT]


@given(st.text(max_size=300))
def test_names_are_one_short_visible_line(name):
    shown = names.clean(name)
    assert 1 <= len(shown) <= names.LONGEST
    assert shown.isprintable()
    assert names.clean(shown) == shown


def test_names():
    assert names.clean("  Büro\t\n GPU ") == "Büro GPU"
    assert names.clean("\u202e\x00") == "unnamed"
    assert names.clean("x" * 500) == "x" * 63
