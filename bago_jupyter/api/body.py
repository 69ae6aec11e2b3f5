"""What the router reads of a request body, without rebuilding it."""

from __future__ import annotations

import msgspec

from ..errors import InvalidRequest
from ..router import Shape
from .dialects import Endpoint

BYTES_PER_TOKEN = 4
MOST_BYTES_PER_TOKEN = 16
"""No tokenizer of note packs running text tighter than this."""


class _Envelope(msgspec.Struct, gc=False):
    """The fields that routing needs; all else is skipped, not parsed."""

    model: str | None = None
    stream: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n_predict: int | None = None


_decoder = msgspec.json.Decoder(_Envelope)


def read_shape(body: bytes, endpoint: Endpoint, caller: str, *, relayed: bool = False) -> Shape:
    """The shape of a request. Raises :class:`InvalidRequest` with what is wrong with the body."""
    try:
        envelope = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The body does not fit {endpoint.path.decode()}: {error}.") from None
    except (msgspec.DecodeError, RecursionError) as error:
        what = "is empty" if not body.strip() else f"is not valid JSON ({error})"
        raise InvalidRequest(f"The request body {what}; send a JSON object.") from None
    if not envelope.model:
        raise InvalidRequest("Say which model: the field 'model' is missing.", param="model")
    bounds = (
        envelope.max_tokens,
        envelope.max_completion_tokens,
        envelope.max_output_tokens,
        envelope.n_predict,
    )
    size = 0 if b'"data:' in body or b'"image' in body or b'"input_audio' in body else len(body)
    return Shape(
        model=envelope.model,
        task=endpoint.task,
        stream=bool(envelope.stream),
        prompt_tokens=size // BYTES_PER_TOKEN,
        least_tokens=size // MOST_BYTES_PER_TOKEN,
        max_tokens=next((bound for bound in bounds if bound is not None and bound >= 0), None),
        caller=caller,
        relayed=relayed,
    )
