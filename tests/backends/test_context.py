"""A prompt that is too long for one backend, over real connections to others with more room or less."""

from __future__ import annotations

from typing import Any

import pytest
from backends.failing import Mesh, Script, dead, good, run
from faults import Call

from bago_jupyter.backends.body import read_shape
from bago_jupyter.backends.dialects import ENDPOINTS
from bago_jupyter.backends.http import Found
from bago_jupyter.router import Shape

SHAPE = Shape(model="m", prompt_tokens=800, prefix=tuple(range(6)))
OURS = b'{"error":{"message":"The prompt is too long","code":"context_length_exceeded","type":"x"}}'
LLAMA = b'{"error":{"code":400,"message":"request (3031 tokens)...","type":"exceed_context_size_error"}}'
CLAUDE = b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9"}}'
VLLM = (
    b'{"object":"error","message":"This model\'s maximum context length is 2048 tokens. However, you'
    b' requested 3031 tokens.","type":"BadRequestError","param":null,"code":400}'
)
SGLANG = b'{"message":"The input (3031 tokens) is longer than the model\'s context length (2048 tokens)."}'
TGI = b'{"error":"Input validation error: `inputs` must have less than 2047 tokens. Given: 3031"}'


def refuses(body: bytes = OURS, status: int = 400) -> Script:
    return lambda call: call.json(body, status)


def sizes(mesh: Mesh, *lengths: int | None) -> None:
    for backend, length in zip(mesh.dispatcher.backends.values(), lengths, strict=True):
        backend.found = (Found(id="m", context_length=length),)  # type: ignore[attr-defined]
    mesh.dispatcher.refresh()


@pytest.mark.parametrize(
    ("body", "status"),
    [(OURS, 400), (LLAMA, 400), (CLAUDE, 400), (VLLM, 400), (SGLANG, 400), (TGI, 422), (OURS, 413)],
)
def test_a_refusal_moves_on_to_one_with_more_room(body: bytes, status: int) -> None:
    async def main() -> None:
        async with Mesh(refuses(body, status), refuses(), good) as mesh:
            sizes(mesh, 2048, 2048, 8192)
            assert b"usage" in await mesh.ask(SHAPE)
            assert [attempt.node for attempt in mesh.last.attempts] == ["a", "c"]
            assert not mesh.servers[1].calls, "it has no more room than the one that refused"
            assert (mesh.last.attempts[0].cause, mesh.last.outcome) == ("context", "ok")
            assert mesh.dispatcher.breakers.look("openai:a", "m", 0.0) == ("closed", None)

    run(main())


def test_an_unknown_context_is_tried() -> None:
    async def main() -> None:
        async with Mesh(refuses(), refuses(), good) as mesh:
            sizes(mesh, 2048, None, None)
            assert b"usage" in await mesh.ask(SHAPE)
            assert [attempt.node for attempt in mesh.last.attempts] == ["a", "b", "c"]

    run(main())


def test_the_client_hears_it_when_nobody_has_more_room() -> None:
    async def main() -> None:
        async with Mesh(refuses(), good, refuses()) as mesh:
            sizes(mesh, 8192, 2048, 8192)
            answer = await mesh.open(SHAPE)
            assert (answer.status, await answer.read_all()) == (400, OURS)
            assert len(mesh.last.attempts) == 1
        async with Mesh(refuses(), refuses(LLAMA)) as mesh:
            sizes(mesh, 2048, 8192)
            assert (await (await mesh.open(SHAPE)).read_all()) == LLAMA
            assert [attempt.node for attempt in mesh.last.attempts] == ["a", "b"]

    run(main())


def test_what_failed_otherwise_is_still_passed_over() -> None:
    async def main() -> None:
        async with Mesh(dead, refuses(), good) as mesh:
            sizes(mesh, 4096, 2048, 8192)
            assert b"usage" in await mesh.ask(SHAPE)
            assert [attempt.node for attempt in mesh.last.attempts] == ["a", "b", "c"]

    run(main())


def warm(mesh: Mesh) -> list[int]:
    return [mesh.dispatcher.affinity.warm(f"openai:{name}", "m", SHAPE.prefix) for name in "ab"]


def test_a_refusal_teaches_affinity_nothing() -> None:
    async def main() -> None:
        async with Mesh(refuses(), good) as mesh:
            sizes(mesh, 2048, 8192)
            await mesh.ask(SHAPE)
            assert warm(mesh)[0] == 0 < warm(mesh)[1]
            mesh.dispatcher.policy = "balanced"
            await mesh.ask(SHAPE)
            assert [attempt.node for attempt in mesh.last.attempts] == ["b"]
        async with Mesh(refuses(), refuses()) as mesh:
            sizes(mesh, 2048, 2048)
            await (await mesh.open(SHAPE)).read_all()
            assert warm(mesh) == [0, 0]
        async with Mesh(dead, good) as mesh:
            await mesh.ask(SHAPE)
            assert warm(mesh)[0] == 0 < warm(mesh)[1]

    run(main())


def test_what_was_read_before_stays_learned() -> None:
    asked = 0

    async def first_good(call: Call) -> None:
        nonlocal asked
        asked += 1
        await (good(call) if asked == 1 else call.json(OURS, 400))

    async def main() -> None:
        async with Mesh(first_good, good) as mesh:
            sizes(mesh, 2048, 8192)
            shorter = Shape(model="m", prompt_tokens=400, prefix=SHAPE.prefix[:3])
            await mesh.ask(shorter)
            read = warm(mesh)[0]
            assert read > 0
            await mesh.ask(SHAPE)
            assert warm(mesh)[0] == read

    run(main())


def shape(path: bytes, body: bytes) -> Shape:
    return read_shape(body, ENDPOINTS[path], "local")


def test_how_long_a_prompt_probably_is() -> None:
    text = b"word " * 3000
    chat = b'{"model":"m","messages":[{"role":"user","content":"%s"}]%s}'
    plain = shape(b"/v1/chat/completions", chat % (text, b""))
    assert 3600 < plain.likely_tokens < 3900
    tools = shape(b"/v1/chat/completions", chat % (text, b',"tools":["%s"]' % text))
    assert tools.likely_tokens > 7000
    assert tools.least_tokens == plain.least_tokens, "a template need not write them out"
    image = shape(b"/v1/chat/completions", chat % (b"data:image/png;base64," + text, b',"x":"image"'))
    assert image.likely_tokens == image.least_tokens == 0
    assert shape(b"/v1/embeddings", b'{"model":"m","input":["%s"]}' % text).likely_tokens == 0
    assert shape(b"/v1/chat/completions", chat % (b"short", b"")).likely_tokens == 0


@pytest.mark.parametrize("value", [b"16", b"16.0", b"1.6e1"])
@pytest.mark.parametrize("name", [b"max_tokens", b"max_completion_tokens", b"n_predict"])
def test_a_bound_is_any_json_number(name: bytes, value: bytes) -> None:
    body = b'{"model":"m","messages":[],"%s":%s}' % (name, value)
    read: Any = shape(b"/v1/chat/completions", body)
    assert read.answer == 16 and type(read.answer) is int
