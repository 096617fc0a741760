"""Comparisons in test files that cannot fail, found in the syntax tree alone. A rule that would blame an honest test is
none; what an honest test may do for a reason is a note."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_PREDICATES = {"allclose", "isclose", "array_equal", "array_equiv", "equal"}  # they tell; they do not raise
_REDUCTIONS = {"all", "any", "item", "bool"}
_WITH_TOLERANCE = {"allclose", "isclose", "assert_allclose", "assertAllClose", "assert_close"}
_MOST_SHOWN = 60
# Whether a comparison raises is what such a block asks.
_ABOUT_ERRORS = re.compile("raise|warns|no_warn|deprecat|suppress", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """A place in a test file and what is wrong there; `certain` if no honest test does it."""

    line: int
    message: str
    certain: bool = True


def findings(source: str) -> list[Finding]:
    """What is wrong in the source of a test, from top to bottom. Raises SyntaxError."""
    nodes = [*ast.walk(ast.parse(source))]
    helpers = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    skipped = {id(node) for block in nodes if _asks_whether_it_raises(block) for node in ast.walk(block)}
    skipped |= {id(node) for node in nodes if _calls_a_helper(node, helpers)}
    found = (finding for node in nodes if id(node) not in skipped for rule in _RULES for finding in rule(node))
    return sorted(found, key=lambda finding: finding.line)


def _asks_whether_it_raises(block: ast.AST) -> bool:
    if isinstance(block, ast.With):
        calls = (item.context_expr for item in block.items if isinstance(item.context_expr, ast.Call))
        return any(_ABOUT_ERRORS.search(_name(call) or "") for call in calls)
    return isinstance(block, ast.Try) and bool(block.handlers)


def _calls_a_helper(node: ast.AST, helpers: set[str]) -> bool:
    """Whether a statement calls what the file, or the test's class, defines itself: that may well assert."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    function = node.value.func
    of_the_class = isinstance(function, ast.Attribute) and getattr(function.value, "id", None) in ("self", "cls")
    return (of_the_class and _name(node.value) in _PREDICATES) or _name(node.value) in helpers


def _discarded(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Expr) and (what := _compared_by(node.value)):
        yield Finding(node.lineno, f"{what} is discarded: assert it, or assign it to _ if it is only to raise nothing")


def _compared_by(node: ast.expr) -> str | None:
    """What an expression compares, if nothing but a comparison comes of it. An object that is compared with itself is
    there to be touched."""
    if isinstance(node, ast.Compare):
        both = (ast.unparse(side) for side in (node.left, node.comparators[0]))
        return _shown(node) if len({*both}) > 1 else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _compared_by(node.operand)
    if isinstance(node, (ast.GeneratorExp, ast.ListComp)):
        return _compared_by(node.elt)
    if not isinstance(node, ast.Call):
        return None
    name = _name(node)
    if name in _PREDICATES and (len(node.args) > 1 or _is_method(node)):
        return None if any(keyword.arg == "out" for keyword in node.keywords) else _shown(node)
    if name in _REDUCTIONS:
        inner = [*node.args[:1], *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
        return next((what for each in inner if (what := _compared_by(each))), None)
    return None


def _is_method(call: ast.Call) -> bool:
    """Whether a call is `a.equal(b)`."""
    return isinstance(call.func, ast.Attribute) and len(call.args) == 1


def _tuple(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Assert) and isinstance(node.test, ast.Tuple) and node.test.elts:
        yield Finding(node.lineno, "a tuple is asserted, which is true whatever is in it: drop the parentheses")


def _not_called(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Assert) and isinstance(node.test, ast.Attribute) and node.test.attr in ("all", "any"):
        method = node.test.attr
        yield Finding(node.lineno, f"`.{method}` is asserted, not called, which is always true: `.{method}()`")


def _accepts_zeros(node: ast.AST) -> Iterator[Finding]:
    """|got - want| <= rtol |want| holds for got = 0 from rtol 1 on, unless 0 is wanted. A third argument is rtol or, in
    Keras' own assertAllClose, atol; of 1 or more it was meant to be a number of decimals."""
    if not isinstance(node, ast.Call) or _name(node) not in _WITH_TOLERANCE:
        return
    if (third := _number(node.args[2] if len(node.args) > 2 else None)) is not None and third >= 1:
        told = f"the third argument of {_name(node)} is a tolerance, no number of decimals: {third:g} accepts zeros"
        yield Finding(node.lineno, told)
    for keyword in node.keywords:
        rtol = _number(keyword.value) if keyword.arg == "rtol" else None
        if rtol is not None and rtol >= 1 and 0 not in map(_number, node.args[:2]):
            yield Finding(node.lineno, f"rtol={rtol:g} accepts zeros, whatever is wanted")


def _message_in_place_of_a_value(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Call) and _name(node) in ("assertTrue", "assertFalse") and len(node.args) == 2:
        second = node.args[1]
        if isinstance(second, (ast.List, ast.Tuple)) or (
            isinstance(second, ast.Constant) and second.value is not None and not isinstance(second.value, str)
        ):
            yield Finding(node.lineno, f"{_name(node)} does not compare: its second argument is the message")


def _equal_nan(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Call) and _name(node) in {*_WITH_TOLERANCE, *_PREDICATES}:
        for keyword in node.keywords:
            if keyword.arg == "equal_nan" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True:
                yield Finding(
                    node.lineno, "equal_nan=True: a NaN that nobody wants passes if both sides have it", certain=False
                )


_RULES: tuple[Callable[[ast.AST], Iterator[Finding]], ...] = (
    _discarded,
    _tuple,
    _not_called,
    _accepts_zeros,
    _message_in_place_of_a_value,
    _equal_nan,
)


def _name(call: ast.Call) -> str | None:
    """The last part of what is called: allclose, of np.allclose."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)


def _number(node: ast.expr | None) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(node.value)
    return None


def _shown(node: ast.expr) -> str:
    text = ast.unparse(node)
    return f"`{text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + '…'}`"
