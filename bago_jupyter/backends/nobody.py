"""Why nobody can answer, as the error that the client gets."""

from __future__ import annotations

from ..errors import BagoError, ContextTooLong, ModelFileError, ModelNotFound, Unavailable, Unsupported
from ..router import Plan, Shape, Table

SECRET = frozenset({"sharing", "relayed"})
"""Gates of what a peer need not know to be here."""
NAMED = 20
"""Models named where one is not known."""


def nobody(shape: Shape, chosen: Plan, table: Table) -> BagoError:
    """The error for a plan without targets."""
    rejections = [entry for entry in chosen.rejections if not (shape.relayed and entry.gate in SECRET)]
    if shape.relayed and not rejections:
        return ModelNotFound(f"This node shares no model {shape.model!r}.", param="model")
    if not rejections:
        return _unknown(shape.model, table)
    reasons = "; ".join(dict.fromkeys(f"{entry.node}: {entry.reason}" for entry in rejections))
    gates = {entry.gate for entry in rejections}
    gates = gates - {"weights"} or gates  # what is another model says nothing of this one
    if gates == {"file"}:
        return ModelFileError(f"{shape.model} cannot be used ({reasons}).", param="model")
    if gates <= {"task", "dialect"}:
        return Unsupported(f"{shape.model} cannot do this ({reasons}).", param="model")
    if gates == {"context"}:
        return ContextTooLong(f"The prompt is too long for {shape.model} ({reasons}).", param="messages")
    return Unavailable(f"{shape.model} cannot answer now ({reasons}).", retry_after=1.0)


def _unknown(model: str, table: Table) -> ModelNotFound:
    if model in table.routes:
        targets = ", ".join(table.routes[model])
        return ModelNotFound(f"No node has any model of the route {model!r} ({targets}).", param="model")
    known = sorted({*table.models, *table.routes})
    near = table.names.near(model)
    more = f", and {len(known) - NAMED} more" if len(known) > NAMED else ""
    hint = f"did you mean {near}?" if near else f"known: {', '.join(known[:NAMED]) or 'none yet'}{more}."
    return ModelNotFound(f"No node has a model {model!r}; {hint}", param="model")
