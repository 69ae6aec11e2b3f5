"""What the router reads of a request body, without rebuilding it."""

from __future__ import annotations

import msgspec

from ..errors import InvalidRequest
from ..router import Shape, prefix_of
from ..router.affinity import FINE
from ..router.shape import DEFAULT_ANSWER, LONGEST_ANSWER
from .dialects import Endpoint
from .routes import MAX_NAME

BYTES_PER_TOKEN = 4
SHORT = 2048
"""Bytes of a body that fits every context, so that nobody counts."""
MOST_BYTES_PER_TOKEN = 16
"""No tokenizer of note packs running text tighter than this."""


class _Envelope(msgspec.Struct, gc=False):
    """The fields that routing needs; all else is skipped, not parsed.

    JSON knows numbers, not integers: 16.0 is as good a bound as 16, and some languages write no other.
    """

    model: str | None = None
    messages: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    stream: bool | None = None
    system: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    max_tokens: int | float | None = None
    max_completion_tokens: int | float | None = None
    max_output_tokens: int | float | None = None
    n_predict: int | float | None = None


_decoder = msgspec.json.Decoder(_Envelope)


def read_shape(body: bytes, endpoint: Endpoint, caller: str, *, relayed: bool = False) -> Shape:
    """The shape of a request. Raises :class:`InvalidRequest` with what is wrong with the body."""
    try:
        envelope = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The body does not fit {endpoint.path.decode()}: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = "is empty" if not body.strip() else f"is not valid JSON ({error})"
        raise InvalidRequest(f"The request body {what}; send a JSON object.") from None
    if not envelope.model:
        raise InvalidRequest("Say which model: the field 'model' is missing.", param="model")
    if len(envelope.model) > MAX_NAME:
        raise InvalidRequest(f"No model has a name of {len(envelope.model)} characters.", param="model")
    text = _text_bytes(envelope, endpoint) if len(body) > SHORT else 0
    return Shape(
        model=envelope.model,
        task=endpoint.task,
        dialect=endpoint.dialect,
        stream=bool(envelope.stream),
        prompt_tokens=len(body) // BYTES_PER_TOKEN,
        least_tokens=text // MOST_BYTES_PER_TOKEN,
        likely_tokens=(text + _more_bytes(envelope)) // BYTES_PER_TOKEN if text else 0,
        answer=_answer(envelope) if endpoint.task == "generate" else 0,
        prefix=_prefix(envelope) if len(body) >= FINE else (),
        caller=caller,
        relayed=relayed,
    )


def _answer(envelope: _Envelope) -> int:
    """Tokens to write, as an estimate: those that the answer may have at most."""
    for bound in (
        envelope.max_tokens,
        envelope.max_completion_tokens,
        envelope.max_output_tokens,
        envelope.n_predict,
    ):
        if bound is not None and bound >= 0:
            return int(bound) if bound < LONGEST_ANSWER else LONGEST_ANSWER
    return DEFAULT_ANSWER


def _prefix(envelope: _Envelope) -> tuple[int, ...]:
    prompt = max(bytes(envelope.messages), bytes(envelope.prompt), bytes(envelope.input), key=len)
    return prefix_of(prompt, bytes(envelope.system))


def _more_bytes(envelope: _Envelope) -> int:
    """Bytes of what most templates write into the prompt as well."""
    return len(bytes(envelope.system)) + len(bytes(envelope.tools))


def _text_bytes(envelope: _Envelope, endpoint: Endpoint) -> int:
    """Bytes of running text that one slot has to read at once, 0 where that is not certain."""
    if endpoint.task != "generate":
        return 0  # inputs of a batch are read one by one
    prompt = bytes(envelope.prompt)
    if prompt.startswith(b"["):
        return 0  # a batch of prompts
    text = max(bytes(envelope.messages), bytes(envelope.input), prompt, key=len)
    return 0 if b'"data:' in text or b'"image' in text or b'"input_audio' in text else len(text)
