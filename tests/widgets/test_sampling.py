"""Parameters of a playground: what is refused, and what is sent."""

from __future__ import annotations

from typing import Any

import pytest

from bago_jupyter.errors import InvalidRequest
from bago_jupyter.widgets import sampling


def test_defaults_leave_everything_to_the_model() -> None:
    made = sampling.checked({})
    assert made == sampling.DEFAULTS and made is not sampling.DEFAULTS
    assert set(sampling.options(made).values()) == {None}


def test_what_is_given_is_sent() -> None:
    given = {"temperature": 0, "max_tokens": 5, "top_p": 0.5, "seed": 7, "stop": ["a", "b"]}
    made = sampling.checked({**given, "model": "m", "system": "s"})
    assert sampling.options(made) == given
    assert (made["model"], made["system"]) == ("m", "s")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"temperature": -1}, "temperature is a number from 0 to 5"),
        ({"temperature": "hot"}, "a number"),
        ({"temperature": float("nan")}, "a number"),
        ({"temperature": True}, "a number"),
        ({"max_tokens": 0}, "max_tokens is a whole number"),
        ({"max_tokens": 1.5}, "whole"),
        ({"top_p": 1.1}, "top_p"),
        ({"seed": 2.0}, "seed"),
        ({"stop": "x"}, "list of texts"),
        ({"stop": [""]}, "list of texts"),
        ({"stop": ["x"] * 9}, "At most 8"),
        ({"model": None}, "The model is text"),
        ({"temprature": 1}, "no parameter 'temprature'"),
        (["temperature"], "table"),
    ],
)
def test_bad_parameters_are_refused_with_what_is_possible(given: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        sampling.checked(given)
