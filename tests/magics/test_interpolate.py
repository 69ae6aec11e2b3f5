"""What is filled in, and what is left alone."""

import json

import pytest

from bago_jupyter.magics.interpolate import LIMIT, interpolate, render
from bago_jupyter.magics.quiet import Usage

NAMES = {
    "x": 5,
    "name": "Ada {x}",
    "größe": 1.5,
    "In": ["", "1 + 1", "raise", "now"],
    "Out": {1: 2, 3: [1, 2]},
}
ERRORS = {2: "ValueError: no"}


def fill(text: str) -> str:
    return interpolate(text, NAMES, ERRORS)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{x} and {x}", "5 and 5"),
        ("{name}", "Ada {x}"),
        ("{größe}", "1.5"),
        ("{In[1]} = {Out[1]}", "1 + 1 = 2"),
        ("{Out[-1]}", "[1, 2]"),
        ("{Out[-2]}", "2"),
        ("{In[-1]}", "raise"),
        ("explain {Err[2]}", "explain ValueError: no"),
        ("{{x}} is {x}", "{x} is 5"),
        ("{{In[1]}}", "{In[1]}"),
    ],
)
def test_references(text, filled):
    assert fill(text) == filled


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"x": {"name": [1, {}]}}),
        "{x.real} {x!r} {x:>10} {x()} {x[0]} {0} {} { x } {x",
        "def f(): return {unknown}",
        "{__import__('os')} {Out[1].real} {Out['a']}",
        "\\frac{1}{2} $x$ %s",
    ],
)
def test_everything_else_stays(text):
    assert fill(text) == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{Out[2]}", "There is no output Out[2]; cells that have one: 1, 3."),
        ("{In[9]}", "There is no input In[9]; cells that have one: 1, 2."),
        ("{In[3]}", "There is no input In[3]; cells that have one: 1, 2."),
        ("{Err[-2]}", "There is no error Err[-2]; cells that have one: 2."),
    ],
)
def test_a_number_that_does_not_exist(text, sentence):
    with pytest.raises(Usage, match="^" + sentence.replace("[", r"\[").replace("]", r"\]") + "$"):
        fill(text)


def test_no_error_yet():
    with pytest.raises(Usage, match="none yet"):
        interpolate("{Err[1]}", NAMES, {})


def test_strings_are_whole_and_other_values_bounded():
    assert render("a" * 3 * LIMIT) == "a" * 3 * LIMIT
    text = render(["a" * LIMIT])
    assert text.startswith("['aaa")
    assert text.endswith("a... (4 characters cut)")
    assert len(text) < LIMIT + 40


class Table:
    """The part of a pandas DataFrame that decides how it is shown."""

    shape, index = (1000, 1), range(1000)

    def to_string(self, max_rows: int) -> str:
        return f"{max_rows} of 1000 rows"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_tables_and_broken_values():
    assert render(Table()) == "60 of 1000 rows"
    assert render(Table) == repr(Table)
    assert render(Broken()) == "<Broken that cannot be shown: RuntimeError>"


def test_names_of_ipython_that_the_notebook_took():
    for kind in ("In", "Out"):
        with pytest.raises(Usage, match=f"{kind} is a variable of this notebook now"):
            interpolate(f"{{{kind}[1]}}", {"In": 5, "Out": None}, {})
    assert interpolate("{Out[-1]}", {"In": 5, "Out": {1: "one", "x": 2}}, {}) == "one"
    assert interpolate("{Err[2]}", {"In": 5}, ERRORS) == "ValueError: no"
