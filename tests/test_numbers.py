"""Numbers as JSON has them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from starlette.requests import Request

from bago_jupyter.api.messages import read
from bago_jupyter.errors import InvalidRequest
from bago_jupyter.wire import LoadRequest, moment, whole


def test_what_is_whole_is_an_integer() -> None:
    fields = {"a": 16.0, "b": 16, "c": 16.5, "d": "16.0", "e": True, "f": 1e300, "g": -1.0, "h": [1.0]}
    got = whole(fields)
    assert got == fields
    assert [name for name, value in got.items() if type(value) is int] == ["a", "b", "g"]


def test_a_time_is_believed_where_it_is_one() -> None:
    assert [moment(value) for value in (1, 1.7e9, 253_402_300_799)] == [1, 1_700_000_000, 253_402_300_799]
    wrong = (0, -1, None, "1", [], float("nan"), float("inf"), 10**15)
    assert [moment(value) for value in wrong] == [None] * len(wrong)


def asked(**fields: Any) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": msgspec.json.encode(fields), "more_body": False}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


def test_management_takes_either_form() -> None:
    wanted = asyncio.run(read(asked(model="m", context_length=4096.0, slots=2), LoadRequest))
    assert (wanted.context_length, type(wanted.context_length), wanted.slots) == (4096, int, 2)
    for wrong in ({"model": "m", "slots": 1.5}, {"model": "m", "slot": 1}):
        with pytest.raises(InvalidRequest):
            asyncio.run(read(asked(**wrong), LoadRequest))
