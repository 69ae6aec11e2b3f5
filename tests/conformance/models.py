"""Models for what the starter cannot do: one that calls tools, and one that ranks."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

from engines.making import pair, text

ALIGNMENT = 32
TEMPLATE = text("tokenizer.chat_template") + struct.pack("<I", 8)
WIDTH, HIDDEN, CONTEXT = 32, 64, 128
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁apple", "▁pear", "▁stone", "▁fruit", "▁is", "▁a"]

TOOLS = r"""
{%- if tools %}
    {{- '<|im_start|>system\nYou may call functions.\n<tools>' }}
    {%- for tool in tools %}{{- '\n' }}{{- tool | tojson }}{%- endfor %}
    {{- '\n</tools>\nReturn each call as JSON:\n<tool_call>\n{"name": NAME, "arguments": ARGUMENTS}\n' }}
    {{- '</tool_call><|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'banana' %}{{- raise_exception('There is no role banana.') }}{%- endif %}
    {%- if message.role == 'assistant' %}
        {{- '<|im_start|>assistant' }}
        {%- if message.content %}{{- '\n' + message.content }}{%- endif %}
        {%- for call in message.tool_calls or [] %}
            {%- if call.function is defined %}{%- set call = call.function %}{%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}{{- call.name }}{{- '", "arguments": ' }}
            {{- call.arguments | tojson }}{{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"""
"""A chat template in the manner of Qwen, whose calls llama-server understands; it refuses one role."""


def make_caller(starter: Path, target: Path) -> Path:
    """The starter with a chat template that knows tools."""
    data = starter.read_bytes()
    start = data.index(TEMPLATE) + len(TEMPLATE)
    (length,) = struct.unpack_from("<Q", data, start)
    # what follows the header stays aligned if the header grows by a multiple of the alignment
    room = 4 + (length - len(TOOLS.encode()) - 4) % ALIGNMENT
    template = f"{TOOLS}{{#{' ' * (room - 4)}#}}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data[:start] + text(template) + data[start + 8 + length :])
    return target


def make_ranker(target: Path) -> Path:
    """A BERT of one layer and ten words with a ranking head, its weights by chance."""
    keys: dict[str, Any] = {
        "general.architecture": "bert",
        "general.file_type": 0,
        "bert.context_length": CONTEXT,
        "bert.embedding_length": WIDTH,
        "bert.feed_forward_length": HIDDEN,
        "bert.block_count": 1,
        "bert.attention.head_count": 2,
        "bert.attention.layer_norm_epsilon": 1e-12,
        "bert.attention.causal": False,
        "bert.pooling_type": 4,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": WORDS,
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.cls_token_id": 2,
        "tokenizer.ggml.eos_token_id": 3,
        "tokenizer.ggml.seperator_token_id": 3,
    }
    infos, values, chance = b"", b"", random.Random(7)
    for name, shape in _shapes().items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        infos += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(values))
        values += struct.pack(f"<{count}f", *(chance.gauss(0, 0.5) for _ in range(count)))
        values += b"\0" * (-len(values) % ALIGNMENT)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(_shapes()), len(keys) + 1)
    head += b"".join(pair(key, value) for key, value in keys.items())
    head += text("tokenizer.ggml.token_type") + struct.pack("<IIQ", 9, 5, len(WORDS))
    head += struct.pack(f"<{len(WORDS)}i", *(3 if word[0] == "[" else 1 for word in WORDS)) + infos
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(head + b"\0" * (-len(head) % ALIGNMENT) + values)
    return target


def _shapes() -> dict[str, tuple[int, ...]]:
    """Each tensor of a BERT with a ranking head, and its dimensions (innermost first)."""
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (WIDTH, len(WORDS)),
        "token_types.weight": (WIDTH, 2),
        "position_embd.weight": (WIDTH, CONTEXT),
    }
    inner = {"attn_q": WIDTH, "attn_k": WIDTH, "attn_v": WIDTH, "attn_output": WIDTH, "ffn_up": HIDDEN}
    layers = {f"blk.0.{name}": (WIDTH, out) for name, out in inner.items()}
    layers |= {"blk.0.ffn_down": (HIDDEN, WIDTH), "cls": (WIDTH, WIDTH), "cls.output": (WIDTH, 1)}
    for name, shape in layers.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": (shape[1],)}
    for name in ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"):
        shapes |= {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}
    return shapes
