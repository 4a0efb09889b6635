"""What a condition may ask about one value. Pure.

Each operator says true or false, or None where it cannot be asked about a value of that type.
"""

import operator
from collections.abc import Callable, Mapping
from fnmatch import translate
from ipaddress import ip_address, ip_network
from math import isfinite
from re import compile as compile_re
from typing import Any

import re2

from governance.policies.paths import Kind
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import canonical

Truth = bool | None
Test = Callable[[Any], Truth]
"""What an operator says about the value at the path."""

MAX_CHOICES = 200
MAX_VALUE_BYTES, MAX_PATTERN, MAX_TEXT = 8000, 500, 20_000
"""Bytes of a value; characters of a pattern, and of a text that a pattern is tried on."""
NUMBERS = frozenset({int, float})
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
COUNTS = {**ORDER, "eq": operator.eq, "ne": operator.ne}
OPS = (
    "eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "has", "lacks", "matches", "glob", "cidr", "exists", "len",
    "subset_of",
)  # fmt: skip
OPS_OF_KIND: dict[Kind, frozenset[str]] = {
    Kind.TEXT: frozenset(
        {"eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "matches", "glob", "cidr", "exists", "len"}
    ),
    Kind.NUMBER: frozenset({"eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "exists"}),
    Kind.TRUTH: frozenset({"eq", "ne", "exists"}),
    Kind.LIST: frozenset({"eq", "ne", "has", "lacks", "exists", "len", "subset_of"}),
    Kind.OBJECT: frozenset({"has", "lacks", "exists", "len"}),
    Kind.ANY: frozenset(OPS),
}


def compile_test(op: str, value: Any, *, given: bool) -> Test:
    """Return the operator with its value; raise InvalidInput if the value does not suit it."""
    if op == "exists":
        if given and not isinstance(value, bool):
            raise InvalidInput("Give true (it is there) or false (it is not).")
        return lambda _found: True
    if not given:
        raise InvalidInput(f"'{op}' needs a value.")
    if len(canonical(value)) > MAX_VALUE_BYTES:
        raise InvalidInput(f"A value has at most {MAX_VALUE_BYTES} bytes.")
    match op:
        case "eq" | "ne":
            return _equal(value, negate=op == "ne")
        case "lt" | "le" | "gt" | "ge":
            return _ordered(value, ORDER[op])
        case "in" | "not_in":
            return _member(value, negate=op == "not_in")
        case "has" | "lacks":
            return _has(value, negate=op == "lacks")
        case "matches":
            return _matches(value)
        case "glob":
            return _glob(value)
        case "cidr":
            return _cidr(value)
        case "len":
            return _length(value)
    return _subset(value)


def type_of(value: Any) -> str:
    """Return the JSON type in words; empty for what JSON cannot say."""
    match value:
        case None:
            return "null"
        case bool():
            return "truth"
        case int() | float():
            return "number" if isfinite(value) else ""
        case str():
            return "text"
        case list() | tuple():
            return "list"
        case Mapping():
            return "object"
    return ""


def _same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    kind = type_of(one)
    if not kind or kind != type_of(other):
        return False
    if kind in {"list", "object"}:
        try:
            return canonical(one) == canonical(other)
        except InvalidInput:
            return False
    return bool(one == other)


def _equal(value: Any, *, negate: bool) -> Test:
    kind = type_of(value)
    if kind == "text":
        return lambda found: (found == value) is not negate if type(found) is str else None

    def test(found: Any) -> Truth:
        if type_of(found) != kind and value is not None:
            return None
        return _same(found, value) is not negate

    return test


def _ordered(value: Any, compare: Callable[[Any, Any], bool]) -> Test:
    match type_of(value):
        case "number":
            return lambda found: compare(found, value) if type(found) in NUMBERS and isfinite(found) else None
        case "text" if value[:1].isdigit():
            return lambda found: compare(found, value) if type(found) is str else None
    raise InvalidInput("Give a number, or a date such as 2026-01-31.")


def _choices(value: Any) -> list[Any]:
    """Return a list of texts, numbers or truths, without doubles."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_CHOICES:
        raise InvalidInput(f"Give a list of 1 to {MAX_CHOICES} values.")
    if not {type_of(one) for one in value} <= {"text", "number", "truth"}:
        raise InvalidInput("List texts, numbers or truths.")
    return value


def _key(value: Any) -> tuple[str, Any]:
    return type_of(value), value


def _member(value: Any, *, negate: bool) -> Test:
    choices = _choices(value)
    known = {_key(one) for one in choices}
    kinds = {type_of(one) for one in choices}

    def test(found: Any) -> Truth:
        return (_key(found) in known) is not negate if type_of(found) in kinds else None

    return test


def _has(value: Any, *, negate: bool) -> Test:
    if type_of(value) not in {"text", "number", "truth"}:
        raise InvalidInput("Give one text, number or truth.")

    if isinstance(value, str):
        return lambda found: (
            (value in found) is not negate if isinstance(found, list | tuple | dict) else None
        )

    def test(found: Any) -> Truth:
        if isinstance(found, list | tuple):
            return any(_same(one, value) for one in found) is not negate
        return negate if isinstance(found, dict) else None

    return test


def _subset(value: Any) -> Test:
    known = {_key(one) for one in _choices(value)}

    def test(found: Any) -> Truth:
        if not isinstance(found, list | tuple):
            return None
        plain = [one for one in found if type_of(one) in {"text", "number", "truth"}]
        return len(plain) == len(found) and all(_key(one) in known for one in plain)

    return test


def _text(found: Any) -> bool:
    return isinstance(found, str) and len(found) <= MAX_TEXT


def _matches(value: Any) -> Test:
    expression = pattern(value)
    return lambda found: expression.search(found) is not None if _text(found) else None


def pattern(value: Any) -> Any:
    """Return a compiled RE2 expression, which never backtracks; raise InvalidInput."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_PATTERN:
        raise InvalidInput(f"Give an expression (RE2) of 1 to {MAX_PATTERN} characters.")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 22
    try:
        return re2.compile(value, options)
    except re2.error as error:
        why = error.args[0] if error.args else error
        told = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        raise InvalidInput(f"The expression is not understood: {told}.") from error


def globs(value: Any) -> Callable[[str], bool]:
    """Return a function that tells whether a text fits one of the patterns, of * and ?; raise InvalidInput."""
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list) or not 1 <= len(patterns) <= MAX_CHOICES:
        raise InvalidInput(f"Give a pattern such as refund_*, or a list of 1 to {MAX_CHOICES}.")
    if not all(isinstance(one, str) and 1 <= len(one) <= MAX_PATTERN for one in patterns):
        raise InvalidInput(f"A pattern is a text of 1 to {MAX_PATTERN} characters.")
    if "*" in patterns:
        return lambda _text: True
    exact = frozenset(one for one in patterns if not set("*?[") & set(one))
    starts = tuple(one[:-1] for one in patterns if one.endswith("*") and not set("*?[") & set(one[:-1]))
    others = [one for one in patterns if one not in exact and one[:-1] not in starts]
    if not others and not starts:
        return exact.__contains__
    if not others and not exact:
        start = starts[0] if len(starts) == 1 else starts
        return lambda text: text.startswith(start)
    expressions = [compile_re(translate(one)) for one in others]
    return lambda text: text in exact or text.startswith(starts) or any(e.match(text) for e in expressions)


def _glob(value: Any) -> Test:
    fits = globs(value)
    return lambda found: fits(found) if _text(found) else None


def _cidr(value: Any) -> Test:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_CHOICES:
        raise InvalidInput("Give a network such as 10.0.0.0/8, or a list of them.")
    try:
        networks = [ip_network(str(one)) for one in listed]
    except ValueError as error:
        raise InvalidInput(f"{error}. Give a network such as 10.0.0.0/8.") from error

    def test(found: Any) -> Truth:
        if not isinstance(found, str):
            return None
        try:
            address = ip_address(found)
        except ValueError:
            return None
        return any(address in network for network in networks)

    return test


def _length(value: Any) -> Test:
    if not isinstance(value, dict) or len(value) != 1 or not set(value) <= set(COUNTS):
        raise InvalidInput('Give how it compares, such as {"gt": 3}: one of eq, ne, lt, le, gt, ge.')
    [(word, count)] = value.items()
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise InvalidInput("A length is compared with a whole number from 0 on.")
    compare = COUNTS[word]

    def test(found: Any) -> Truth:
        return compare(len(found), count) if isinstance(found, str | list | tuple | Mapping) else None

    return test
