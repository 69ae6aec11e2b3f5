"""``python tiny.py FOLDER``: a Llama of half a million random weights that servers load as any other model.

Runs in a server's own environment, which has ``tokenizers``, ``safetensors`` and ``numpy``. Its tokens are
bytes, so that it takes and gives any text; what it gives makes no sense.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

WIDTH, LAYERS, HEADS, KEYS, INNER, CONTEXT = 128, 2, 4, 2, 256, 2048
SPECIAL = ("<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>")
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def make(folder: Path) -> None:
    """Write the model into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(folder / "tokenizer.json"))
    write(
        folder / "tokenizer_config.json",
        tokenizer_class="PreTrainedTokenizerFast",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=CONTEXT,
        chat_template=TEMPLATE,
    )
    write(
        folder / "config.json",
        architectures=["LlamaForCausalLM"],
        model_type="llama",
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEYS,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5,
        rope_theta=10000.0,
        vocab_size=len(vocabulary),
        bos_token_id=0,
        eos_token_id=1,
        hidden_act="silu",
        tie_word_embeddings=False,
        torch_dtype="float32",
    )
    write(folder / "generation_config.json", bos_token_id=0, eos_token_id=1)
    save_file(weights(len(vocabulary)), folder / "model.safetensors", metadata={"format": "pt"})


def weights(words: int) -> dict[str, numpy.ndarray]:
    chance = numpy.random.default_rng(7)

    def matrix(rows: int, columns: int) -> numpy.ndarray:
        return (chance.standard_normal((rows, columns)) * 0.05).astype(numpy.float32)

    head, ones = WIDTH // HEADS, numpy.ones(WIDTH, numpy.float32)
    found = {"model.embed_tokens.weight": matrix(words, WIDTH), "lm_head.weight": matrix(words, WIDTH)}
    found["model.norm.weight"] = ones
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        found[at + "input_layernorm.weight"] = found[at + "post_attention_layernorm.weight"] = ones
        found[at + "self_attn.q_proj.weight"] = matrix(HEADS * head, WIDTH)
        found[at + "self_attn.k_proj.weight"] = matrix(KEYS * head, WIDTH)
        found[at + "self_attn.v_proj.weight"] = matrix(KEYS * head, WIDTH)
        found[at + "self_attn.o_proj.weight"] = matrix(WIDTH, HEADS * head)
        found[at + "mlp.gate_proj.weight"] = matrix(INNER, WIDTH)
        found[at + "mlp.up_proj.weight"] = matrix(INNER, WIDTH)
        found[at + "mlp.down_proj.weight"] = matrix(WIDTH, INNER)
    return {name: numpy.ascontiguousarray(value.copy()) for name, value in found.items()}


def write(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(fields, indent=1))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
