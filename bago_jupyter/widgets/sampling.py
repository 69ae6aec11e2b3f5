"""How a playground asks: the system prompt and the parameters of sampling."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidRequest

DEFAULTS: dict[str, Any] = {
    "model": "",
    "system": "",
    "temperature": None,
    "max_tokens": None,
    "top_p": None,
    "seed": None,
    "stop": [],
}
"""``model`` empty is the default of the node; ``None`` is what the model's server does by itself."""
MAX_STOPS = 8
_WHOLE = {"max_tokens": (1, 1 << 31), "seed": (-(1 << 31), (1 << 53) - 1)}
_REAL = {"temperature": (0.0, 5.0), "top_p": (0.0, 1.0)}


def checked(given: Any) -> dict[str, Any]:
    """``given`` over the defaults. Raises :class:`InvalidRequest` with what may be given."""
    if not isinstance(given, dict):
        raise InvalidRequest("The parameters are a table of names and values.")
    made = dict(DEFAULTS)
    for name, value in given.items():
        if name not in DEFAULTS:
            raise InvalidRequest(
                f"There is no parameter {name!r}; there are {', '.join(DEFAULTS)}.", param=name
            )
        made[name] = _one(name, value)
    return made


def options(parameters: dict[str, Any]) -> dict[str, Any]:
    """What of the parameters goes into a request beside model and messages."""
    sent = {name: parameters[name] for name in ("temperature", "max_tokens", "top_p", "seed")}
    return {**sent, "stop": parameters["stop"] or None}


def _one(name: str, value: Any) -> Any:
    if name in ("model", "system"):
        if not isinstance(value, str):
            raise InvalidRequest(f"The {name} is text.", param=name)
        return value
    if name == "stop":
        if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
            raise InvalidRequest("The stop texts are a list of texts.", param=name)
        if len(value) > MAX_STOPS:
            raise InvalidRequest(f"At most {MAX_STOPS} stop texts can be given.", param=name)
        return value
    if value is None:
        return None
    least, most = (_WHOLE | _REAL)[name]
    right = int if name in _WHOLE else (int, float)
    if isinstance(value, bool) or not isinstance(value, right) or not least <= value <= most:
        what = "a whole number" if name in _WHOLE else "a number"
        raise InvalidRequest(f"{name} is {what} from {least:g} to {most:g}.", param=name)
    return value
