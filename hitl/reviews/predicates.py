"""Who a rule of a plan is for: a small closed language over a reviewer. Pure; nothing is evaluated as Python.

    'payments' in reviewer.groups
    reviewer.username == 'rita' or not ('contractors' in reviewer.groups)

Names are `reviewer.groups` and `reviewer.username`; operators are in, not in, ==, !=, and, or, not and
parentheses; constants are quoted text. Empty text admits everybody.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tenants.kernel.errors import InvalidInput

MAX_LENGTH = 500


@dataclass(frozen=True, kw_only=True)
class Reviewer:
    """What a predicate may ask about a person."""

    id: int
    username: str
    groups: frozenset[str]


Predicate = Callable[[Reviewer], bool]


@lru_cache(maxsize=1024)
def parse(text: str) -> Predicate:
    """Return the predicate; raise InvalidInput that says what is not understood."""
    if not text.strip():
        return lambda _reviewer: True
    if len(text) > MAX_LENGTH:
        raise InvalidInput(f"A condition has at most {MAX_LENGTH} characters.")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InvalidInput(
            f"The condition {text!r} is not understood. Write, say, 'payments' in reviewer.groups."
        ) from error
    return _predicate(tree.body, text)


def _predicate(node: ast.AST, text: str) -> Predicate:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            parts = [_predicate(value, text) for value in values]
            return lambda reviewer: all(part(reviewer) for part in parts)
        case ast.BoolOp(op=ast.Or(), values=values):
            parts = [_predicate(value, text) for value in values]
            return lambda reviewer: any(part(reviewer) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _predicate(operand, text)
            return lambda reviewer: not inner(reviewer)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _comparison(left, op, right, text)
    raise InvalidInput(f"The condition {text!r} uses something other than in, ==, and, or, not.")


def _comparison(left: ast.AST, op: ast.cmpop, right: ast.AST, text: str) -> Predicate:
    constant, name = (left, right) if isinstance(left, ast.Constant) else (right, left)
    value = constant.value if isinstance(constant, ast.Constant) else None
    field = ast.unparse(name)
    if not isinstance(value, str):
        raise InvalidInput(f"The condition {text!r} must compare with a quoted text.")
    match op, field:
        case ast.In(), "reviewer.groups" if constant is left:
            return lambda reviewer: value in reviewer.groups
        case ast.NotIn(), "reviewer.groups" if constant is left:
            return lambda reviewer: value not in reviewer.groups
        case ast.Eq(), "reviewer.username":
            return lambda reviewer: reviewer.username == value
        case ast.NotEq(), "reviewer.username":
            return lambda reviewer: reviewer.username != value
    raise InvalidInput(
        f"The condition {text!r} is not understood: ask whether 'a group' in reviewer.groups, or whether "
        "reviewer.username == 'a name'."
    )


def of_group(group: str) -> str:
    """Return the condition that admits the people of a group."""
    return f"{group!r} in reviewer.groups"


@lru_cache(maxsize=1024)
def group_of(text: str) -> str:
    """Return the group whose people alone a condition admits, where it says just that; else empty."""
    try:
        node = ast.parse(text.strip(), mode="eval").body if text.strip() else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    match node:
        case ast.Compare(left=ast.Constant(value=str(group)), ops=[ast.In()], comparators=[names]):
            return group if ast.unparse(names) == "reviewer.groups" else ""
    return ""


def in_words(text: str) -> str:
    """Return the condition as a reviewer reads it."""
    said = text.strip().replace("reviewer.groups", "their groups").replace("reviewer.username", "their name")
    return said or "anybody who may decide reviews"


def matches(text: str, reviewer: Any) -> bool:
    """Tell whether the condition admits the reviewer; one that is not understood admits nobody."""
    try:
        return parse(text)(reviewer)
    except InvalidInput:
        return False
