"""``why`` shows the sentence of a failure."""

from __future__ import annotations

from decisions import decision

from bago_jupyter.magics.verbs import why
from bago_jupyter.wire import Attempt


def test_of_a_failure_the_sentence_is_shown() -> None:
    told = decision("smol", outcome="failed", detail="attic answered 503.", cause="error", status=503)
    told.attempts = [
        Attempt(backend="b", node="attic", model="smol", started=0, outcome="overtaken"),
        Attempt(backend="b", node="attic", model="smol", started=0, outcome="failed", detail="It is gone."),
    ]
    assert " · attic answered 503. 503 · " in why._summary(told)
    assert [row[3] for row in why._rows(told)] == ["overtaken", "It is gone."]
