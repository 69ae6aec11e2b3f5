"""What is sent with the next prompt."""

from bago_jupyter.magics.history import History, single


def test_turns_and_system():
    history = History()
    history.keep("one", "1", "Be brief.")
    history.keep("two", "2")
    assert history.messages("three") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "three"},
    ]
    assert history.messages("three", "Be long.")[0]["content"] == "Be long."
    assert history.messages("three")[0]["content"] == "Be brief."


def test_asking_keeps_nothing_and_neither_does_silence():
    history = History()
    history.messages("one", "system")
    history.keep("one", "", "system")
    assert history.messages("two") == [{"role": "user", "content": "two"}]


def test_reset():
    history = History()
    history.keep("one", "1", "system")
    assert history.reset() == 1
    assert history.messages("two") == [{"role": "user", "content": "two"}]


def test_single():
    assert single("p", "s") == [{"role": "system", "content": "s"}, {"role": "user", "content": "p"}]
    assert single("p", None) == [{"role": "user", "content": "p"}]
