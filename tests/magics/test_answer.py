"""Code and JSON out of answers."""

import pytest

from bago_jupyter.magics.answer import extract_code, extract_json


@pytest.mark.parametrize(
    ("text", "code", "language"),
    [
        ("Sure:\n```python\nx = 1\n\ny = 2\n```\nDone.", "x = 1\n\ny = 2", "python"),
        ("```\nx\n```", "x", ""),
        ("~~~js\nx\n~~~", "x", "js"),
        ("````md\n```\nin\n```\n````", "```\nin\n```", "md"),
        ("```python\na\n```\nrun\n```bash\nls\n```\nand\n```python\nb\n```", "a\n\nb", "python"),
        ("```python\ncut off", "cut off", "python"),
        ("x = 1\n", "x = 1", ""),
        ("", "", ""),
    ],
)
def test_code(text, code, language):
    assert extract_code(text) == (code, language)


@pytest.mark.parametrize(
    ("text", "value"),
    [('{"a": [1, null]}', {"a": [1, None]}), ("Here:\n```json\n[1]\n```\n", [1]), (" 3 ", 3)],
)
def test_json(text, value):
    assert extract_json(text) == value


@pytest.mark.parametrize("text", ["no", '{"a": ', "```\n[1]\n```\n```\n[2]\n```"])
def test_not_json(text):
    with pytest.raises(ValueError, match=r"line 1 column \d"):
        extract_json(text)


def test_nothing_is_not_json():
    with pytest.raises(ValueError, match="it is empty"):
        extract_json(" \n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000 + "]" * 100_000, "nested too deep"),
        ('{"a":' * 300 + "1" + "}" * 300, "nested too deep"),
        ('{"a": "\\ud83d"}', "half of a character"),
        ('{"\\ude00": 1}', "half of a character"),
        ("[NaN]", "NaN is no number"),
        ("-Infinity", "-Infinity is no number"),
        ("```json\n[NaN]\n```", "NaN is no number"),
    ],
)
def test_what_not_every_program_reads_is_not_json(text, said):
    with pytest.raises(ValueError, match=said):
        extract_json(text)
    assert extract_json('"\\ud83d\\ude00"') == "\N{GRINNING FACE}"
