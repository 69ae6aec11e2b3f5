"""Messages stay sentences, whatever they repeat."""

from __future__ import annotations

from bago_jupyter.errors import LONGEST, ModelNotFound, Overloaded


def test_a_message_that_repeats_a_long_text_is_cut_in_its_middle() -> None:
    error = ModelNotFound(f"No node has a model {'x' * 100_000!r}; run %bago models.")
    assert len(error.message) < LONGEST + 10 and str(error) == error.message
    assert error.message.startswith("No node has a model 'x")
    assert error.message.endswith("run %bago models.")
    assert " ... " in error.message


def test_a_message_of_the_usual_length_stays_as_it_is() -> None:
    text = "y" * LONGEST
    assert Overloaded(text, queued=1).message == text
