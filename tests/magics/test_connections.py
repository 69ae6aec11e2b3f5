"""What the verbs of connections say."""

from __future__ import annotations

import pytest

from bago_jupyter.magics.session import Session
from bago_jupyter.magics.verbs.connections import _tell_key
from bago_jupyter.wire import ConnectionInfo


@pytest.mark.parametrize(
    ("key", "variable", "said"),
    [
        ("keyring", None, "Its key is kept in the system's keyring.\n"),
        ("keyring", "K", "Its key is kept in the system's keyring: K is not set where the node runs.\n"),
        ("environment K", "K", "Its key is read from K where the node runs, and kept nowhere else.\n"),
        ("none", None, ""),
    ],
)
def test_where_a_key_went(
    capsys: pytest.CaptureFixture[str], key: str, variable: str | None, said: str
) -> None:
    info = ConnectionInfo(name="gpu", type="openai", url="http://gpu", key=key, key_env=variable)
    _tell_key(Session(None), info)
    assert capsys.readouterr().out == said
