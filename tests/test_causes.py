"""The node decides by causes: nothing in the package searches in a message."""

from __future__ import annotations

import ast
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import bago_jupyter
from bago_jupyter import errors
from bago_jupyter.backends.failures import cause_of, is_local_to
from bago_jupyter.errors import BagoError, Cause
from bago_jupyter.router.breaker import counts

HERE = Path(bago_jupyter.__file__).parent
EDGE = HERE / "backends" / "complaints.py"
"""The one place that reads what others say."""
SENTENCES = {"message", "detail", "strerror"}
"""Attributes that are sentences."""
ERRORS = {"error", "exc", "exception", "err", "failure"}
"""Names of exceptions, beside those of ``except ... as``."""
SEARCHES = {"startswith", "endswith", "find", "rfind", "index", "rindex", "count"}
MATCHES = {"search", "match", "fullmatch", "findall", "finditer"}
Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Part = ast.AST


class Checker:
    """Finds searches in what an exception says, one scope at a time; which names hold a sentence is not
    followed from one scope to another."""

    def __init__(self, scope: Scope):
        self.nodes = list(_within(scope))
        self.errors = ERRORS | {
            node.name for node in self.nodes if isinstance(node, ast.ExceptHandler) and node.name
        }
        self.names: set[str] = set()
        """That hold a sentence."""
        before = -1
        while before != len(self.names):
            before = len(self.names)
            for node in self.nodes:
                self._bind(node)

    def found(self) -> Iterator[int]:
        """The lines that search."""
        for node in self.nodes:
            if self._searches(node):
                yield node.lineno  # type: ignore[attr-defined]

    def _bind(self, node: Part) -> None:
        match node:
            case ast.Assign(targets=targets, value=value) if self._says(value):
                self.names |= {name for target in targets for name in _names(target)}
            case (
                ast.AnnAssign(target=target, value=ast.expr() as value)
                | ast.AugAssign(target=target, value=value)
                | ast.NamedExpr(target=target, value=value)
                | ast.For(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
            ) if self._says(value):
                self.names |= set(_names(target))

    def _searches(self, node: Part) -> bool:
        match node:
            case ast.Compare(left=left, ops=ops, comparators=others):
                decides = any(isinstance(op, (ast.In, ast.NotIn, ast.Eq, ast.NotEq)) for op in ops)
                return decides and any(map(self._says, (left, *others)))
            case ast.Call(func=ast.Attribute(value=ast.Name("re")), args=arguments):
                return any(map(self._says, arguments))
            case ast.Call(func=ast.Attribute(value=text, attr=name), args=arguments):
                if name in SEARCHES:
                    return self._says(text)
                return name in MATCHES and any(map(self._says, arguments))
            case ast.Match(subject=subject):
                return self._says(subject)
        return False

    def _says(self, node: Part) -> bool:
        """Whether ``node`` is what an exception says, or a part of it."""
        match node:
            case ast.Name(id=name):
                return name in self.names
            case ast.Attribute(attr=name) if name in SENTENCES:
                return True
            case ast.Attribute(value=value, attr="args"):
                return self._is_error(value)
            case ast.Call(func=ast.Name("str" | "repr" | "format"), args=[value, *_]):
                return self._is_error(value) or self._says(value)
            case ast.Call(func=ast.Name("getattr"), args=[_, ast.Constant(value=str(name)), *_]):
                return name in SENTENCES
            case ast.Call(func=ast.Attribute(value=text, attr=name), args=arguments):
                return self._says(text) or (name in ("join", "format") and any(map(self._says, arguments)))
            case ast.JoinedStr(values=parts):
                return any(self._says(part) for part in parts)
            case ast.FormattedValue(value=value):
                return self._is_error(value) or self._says(value)
            case ast.Subscript(value=value) | ast.NamedExpr(value=value) | ast.Starred(value=value):
                return self._says(value)
            case ast.BoolOp(values=values) | ast.Tuple(elts=values) | ast.List(elts=values):
                return any(map(self._says, values))
            case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
                return self._says(one) or self._says(other)
            case ast.GeneratorExp(elt=one) | ast.ListComp(elt=one):
                return self._says(one)
        return False

    def _is_error(self, node: Part) -> bool:
        return isinstance(node, ast.Name) and node.id in self.errors


def _names(target: Part) -> Iterator[str]:
    """What is bound: of ``a, b[c]`` only ``a``."""
    nodes = ast.walk(target)
    return (node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))


def _within(scope: Scope) -> Iterator[Part]:
    """The nodes of ``scope`` without those of the functions in it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, Scope):
            yield from _within(child)  # type: ignore[arg-type]


def searches(source: str) -> list[int]:
    """The lines of ``source`` that search in what an exception says."""
    tree = ast.parse(source)
    scopes = [tree, *(node for node in ast.walk(tree) if isinstance(node, Scope))]
    return sorted({line for scope in scopes for line in Checker(scope).found()})


def test_nothing_searches_in_a_message() -> None:
    paths = [path for path in HERE.rglob("*.py") if path != EDGE]
    assert EDGE.exists() and len(paths) > 200
    assert {str(path): found for path in paths if (found := searches(path.read_text("utf-8")))} == {}


@pytest.mark.parametrize(
    "line",
    [
        '"closed" in error.message',
        '"closed" not in str(error)',
        'str(oops) == "closed"',
        '"No" != repr(oops)',
        'error.message.startswith("No")',
        'oops.message.lower().rstrip(".").endswith("gone")',
        'self._last.message.find("x") >= 0',
        'error.strerror.count("x")',
        'oops.args[0] == "gone"',
        '"gone" in oops.args',
        'match_of = re.search("gone", str(oops))',
        're.compile("gone").match(error.message)',
        '_GONE.search(f"{oops}")',
        '"x" in f"{error.message}."',
        'text = error.message or ""; found = "gone" in text',
        'first, *rest = str(oops).splitlines(); text = first.strip(); found = text == "gone"',
        '(text := error.message) and "gone" in text',
        'any(line == "gone" for line in str(oops).splitlines())',
        '"gone" in " ".join(error.message.split())',
        '"gone" in (getattr(error, "strerror", None) or "")',
        'attempt.detail == "gone"',
        "match oops.args:\n        case ('gone',): pass",
        'match error.message:\n        case "gone": pass',
        'reason = error.message if error else ""; found = reason in GONE',
    ],
)
def test_a_search_is_found(line: str) -> None:
    assert searches(f"def f():\n  try: g()\n  except OSError as oops:\n    {line}\n") == [4], line


@pytest.mark.parametrize(
    "line",
    [
        'error.cause == "refused"',
        "log.info(error.message)",
        'raise E(f"{name}: {error.message}")',
        "text = str(oops).splitlines()[0]",
        "error.message is None",
        "len(error.message) > 10",
        'message["type"] == "x"',
        "options.args[0] == 1",
        'exchange.header(b"x") == b"y"',
        'said[name] = error.message\n  found = name == "x" or said != {}',
        "isinstance(error, OSError) and error.errno == errno.ENOENT",
        'reason = error.message\n\ndef other(reason):\n    return "x" in reason',
    ],
)
def test_what_searches_in_no_message_is_not(line: str) -> None:
    assert searches(f"try: g()\nexcept OSError as oops:\n  {line}\n") == []


def test_a_name_counts_in_its_own_scope_only() -> None:
    assert searches('text = error.message\ndef f(text):\n  return "x" in text\n') == []


ELSEWHERE = (errors.Unsupported, errors.ContextTooLong)
"""Refusals after which another backend is asked, which may be able to, or have more room."""
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BagoError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_cause_says_what_the_status_says(kind: type[BagoError]) -> None:
    """Whether another backend is asked, and whether the breaker hears of it."""
    error = kind("x", allow="GET") if kind is errors.MethodNotAllowed else kind("x")
    assert error.cause in typing.get_args(Cause)
    assert is_local_to(error) == (counts(kind.status) or kind.status == 404 or kind in ELSEWHERE)
    assert (cause_of(error) is not None) == counts(kind.status)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 502, 503, 504, 529])
def test_so_does_that_of_an_answer(status: int) -> None:
    error = BagoError("x", cause=errors.cause_of_status(status))
    assert is_local_to(error) == (counts(status) or status == 404)
    assert (cause_of(error) is not None) == counts(status)


def test_every_cause_is_explained_in_a_line() -> None:
    source = Path(errors.__file__).read_text("utf-8")
    assert re.findall(r"^- ``(\w+)``: .+\.$", source, re.MULTILINE) == list(typing.get_args(Cause))
