"""The text that does not show itself."""

from __future__ import annotations

import copy
import json
import pickle

import msgspec
import pytest

from bago_jupyter.trust.secret import Secret


def test_it_masks_itself_everywhere():
    secret = Secret("hunter22")
    for text in (str(secret), repr(secret), f"{secret}", f"{[secret]}", "%s %r" % (secret, secret)):  # noqa: UP031
        assert "hunter" not in text
    for leak in (json.dumps, pickle.dumps, msgspec.json.encode, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(secret)
    assert secret.reveal() == "hunter22"


def test_equality():
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("ü")}) == 2
    assert Secret("x") and not Secret("")


def test_minting():
    assert len(Secret.mint().reveal()) == 43  # 256 bits
    assert Secret.mint() != Secret.mint()
