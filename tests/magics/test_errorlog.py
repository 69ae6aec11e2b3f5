"""Texts for ``{Err[n]}``."""

import pytest
from IPython.core.interactiveshell import ExecutionResult

from bago_jupyter.errors import ModelNotFound
from bago_jupyter.magics.errorlog import KEEP, LIMIT, ErrorLog, describe
from bago_jupyter.magics.quiet import Interrupted, one_line


def result(count, error):
    made = ExecutionResult(None)
    made.execution_count, made.error_in_exec = count, error
    return made


def failed(text="no") -> Exception:
    with pytest.raises(ValueError, match=text[:9]) as caught:
        raise ValueError(text)
    return caught.value


def test_errors_by_cell():
    log = ErrorLog()
    log.record(result(1, None))
    log.record(result(2, failed("two")))
    log.record(result(None, failed("silent")))
    log.record(None)
    assert list(log) == [2]
    assert log[2].startswith("Traceback (most recent call last):")
    assert log[2].endswith("ValueError: two")


def test_it_does_not_grow_without_end():
    log = ErrorLog()
    for count in range(KEEP + 5):
        log.record(result(count, failed()))
    assert list(log) == list(range(5, KEEP + 5))


def test_long_errors_are_cut_in_the_middle():
    text = describe(failed("x" * 3 * LIMIT + "end"))
    assert len(text) < LIMIT + 50
    assert text.startswith("Traceback")
    assert text.endswith("xend")
    assert "characters cut" in text


def test_quiet_errors_are_one_line():
    assert describe(one_line(ModelNotFound("There is no x."))) == "ModelNotFound: There is no x."
    assert describe(Interrupted("interrupted")) == "Interrupted: interrupted"
