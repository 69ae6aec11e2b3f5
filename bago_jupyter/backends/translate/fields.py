"""What becomes of each field of a request: said, dropped or refused, and why."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from ...errors import Unsupported

Fate = Literal["said", "dropped", "refused"]


class Rule(NamedTuple):
    """What is done with one field."""

    fate: Fate
    why: str = ""
    idle: tuple[Any, ...] = ()
    """Values of a refused field that ask for nothing, with which it is dropped; ``null`` always is one."""


SAID = Rule("said")
_SPEED = Rule("dropped", "changes speed or price, never the answer")
_PENALTY = Rule("refused", "it has no penalties", (0,))
_BEST_EFFORT = Rule("dropped", "a wish that OpenAI itself grants only as far as it can")

CHAT: dict[str, Rule] = {
    "model": SAID,
    "messages": SAID,
    "stream": SAID,
    "stream_options": Rule("said", "read when the answer is translated"),
    "max_tokens": SAID,
    "max_completion_tokens": SAID,
    "stop": SAID,
    "temperature": Rule(
        "said", "at most 1; not to Anthropic itself, whose API version 2026-10-21 and newest models refuse it"
    ),
    "top_p": Rule("said", "as temperature"),
    "top_k": Rule("said", "as temperature"),
    "tools": SAID,
    "tool_choice": SAID,
    "parallel_tool_calls": SAID,
    "response_format": Rule("said", "a JSON schema can be said, mere JSON mode cannot"),
    "reasoning_effort": Rule("said", "output_config.effort; 'none' is thinking switched off"),
    "user": Rule("said", "metadata.user_id"),
    "safety_identifier": Rule("said", "metadata.user_id, where there is no user"),
    "seed": _BEST_EFFORT,
    "verbosity": _BEST_EFFORT,
    "prediction": _SPEED,
    "service_tier": _SPEED,
    "prompt_cache_key": _SPEED,
    "prompt_cache_options": _SPEED,
    "prompt_cache_retention": _SPEED,
    "cache_prompt": _SPEED,
    "id_slot": _SPEED,
    "keep_alive": _SPEED,
    "metadata": Rule("dropped", "labels for OpenAI's own dashboard"),
    "store": Rule("dropped", "asks OpenAI to keep the answer, which changes nothing in it"),
    "n": Rule("refused", "it gives one answer to a request", (1,)),
    "logprobs": Rule("refused", "it gives no probabilities", (False,)),
    "top_logprobs": Rule("refused", "it gives no probabilities", (0,)),
    "logit_bias": Rule("refused", "its tokens have no public numbers", ({},)),
    "frequency_penalty": _PENALTY,
    "presence_penalty": _PENALTY,
    "modalities": Rule("refused", "it answers in text only", (["text"],)),
    "audio": Rule("refused", "it has no audio"),
    "functions": Rule("refused", "use tools, which replaced it", ([],)),
    "function_call": Rule("refused", "use tool_choice, which replaced it", ("none", "auto")),
    "web_search_options": Rule("refused", "a search cannot be asked for that way"),
    "moderation": Rule("refused", "it gives no moderation scores"),
}
"""Fields of a chat completion request that goes to Anthropic messages."""

MESSAGES: dict[str, Rule] = {
    "model": SAID,
    "messages": SAID,
    "system": SAID,
    "stream": Rule("said", "with stream_options.include_usage, as its end tells the usage"),
    "max_tokens": Rule("said", "max_completion_tokens to OpenAI itself, whose newest models know no other"),
    "stop_sequences": SAID,
    "temperature": SAID,
    "top_p": SAID,
    "top_k": Rule("said", "not to OpenAI itself, which refuses it"),
    "tools": SAID,
    "tool_choice": SAID,
    "metadata": Rule("said", "user_id as user, up to the 64 characters that OpenAI takes"),
    "output_config": Rule("said", "format as response_format, effort as reasoning_effort"),
    "thinking": Rule("dropped", "how a model thinks is not asked for in this dialect; its effort is said"),
    "cache_control": _SPEED,
    "service_tier": _SPEED,
    "speed": _SPEED,
    "diagnostics": _SPEED,
    "context_management": Rule("dropped", "trims what the model reads again, in favour of room"),
    "container": Rule("refused", "it runs no code"),
    "mcp_servers": Rule("refused", "it calls no servers", ([],)),
    "inference_geo": Rule("refused", "it cannot promise where the answer is computed"),
    "user_profile_id": Rule("refused", "it knows no profiles of users"),
}
"""Fields of an Anthropic messages request that goes to chat completions."""


def check(body: dict[str, Any], rules: dict[str, Rule], backend: str) -> None:
    """Raise :class:`Unsupported` for the first field that asks for what ``backend`` cannot do."""
    for name, value in body.items():
        if value is None:
            continue
        rule = rules.get(name)
        if rule is None:
            raise refusal(name, "nothing there corresponds to it", backend)
        if rule.fate == "refused" and value not in rule.idle:
            raise refusal(name, rule.why, backend)


def refusal(place: str, why: str, backend: str) -> Unsupported:
    """The error for ``place`` of a request that cannot be said to ``backend``."""
    return Unsupported(
        f"{place} cannot be translated for a backend that speaks only {backend}: {why}.", param=place
    )
