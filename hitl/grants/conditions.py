"""Conditions on arguments: a closed, typed language. Pure."""

import math
from typing import Any

from hitl.grants.types import Condition, Op
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject, canonical, storable

MAX_CONDITIONS, MAX_CHOICES = 30, 100
MAX_PATH, MAX_BYTES = 200, 4000
MEMBERS = frozenset({"path", "op", "value"})
MISSING = object()


def parse(raw: Any) -> tuple[Condition, ...]:
    """Return the conditions that a JSON list holds; raise InvalidInput that names the first bad member."""
    if not isinstance(raw, list | tuple):
        raise _refused("/conditions", "Send a list of {path, op, value}; for no condition, an empty list.")
    if len(raw) > MAX_CONDITIONS:
        raise _refused("/conditions", f"Send at most {MAX_CONDITIONS} conditions.")
    return tuple(_condition(item, f"/conditions/{n}") for n, item in enumerate(raw))


def to_json(conditions: tuple[Condition, ...]) -> list[JsonObject]:
    """Return a list from which `parse` makes equal conditions."""
    return [{"path": each.path, "op": each.op.value, "value": each.value} for each in conditions]


def holds(condition: Condition, arguments: JsonObject) -> bool:
    """Tell whether the condition holds; an argument that is missing or of another type fails it.

    Values are equal if their RFC 8785 forms are: 1 and 1.0 are, 1 and true or "1" are not, nor {} and null.
    """
    found = _at(arguments, condition.path)
    if condition.op is Op.PRESENT:
        return condition.value is (found is not MISSING)
    if found is MISSING:
        return False
    match condition.op:
        case Op.EQ:
            return same(found, condition.value)
        case Op.IN:
            return any(same(found, choice) for choice in condition.value)
        case Op.LE:
            return _is_number(found) and found <= condition.value
        case Op.GE:
            return _is_number(found) and found >= condition.value
        case Op.PREFIX:
            return isinstance(found, str) and found.startswith(condition.value)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values have one RFC 8785 form; what has none equals nothing."""
    try:
        return canonical(one) == canonical(other)
    except InvalidInput:
        return False


def top_names(conditions: tuple[Condition, ...]) -> frozenset[str]:
    """Return the arguments that the conditions speak of."""
    return frozenset(condition.path.partition(".")[0] for condition in conditions)


def _at(arguments: JsonObject, path: str) -> Any:
    found: Any = arguments
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return MISSING
        found = found[name]
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _condition(item: Any, at: str) -> Condition:
    if not isinstance(item, dict) or set(item) != MEMBERS:
        raise _refused(at, "A condition has exactly the members path, op and value.")
    path, value = item["path"], item["value"]
    if not isinstance(path, str) or len(path) > MAX_PATH or not all(path.split(".")):
        raise _refused(f"{at}/path", "Name an argument, such as amount, or order.total for a member.")
    if path != storable(path):
        raise _refused(f"{at}/path", "The path holds characters that cannot be stored exactly.")
    try:
        op = Op(item["op"])
    except ValueError as error:
        raise _refused(f"{at}/op", f"Use one of: {', '.join(Op)}.") from error
    problem = _problem(op, value)
    if problem:
        raise _refused(f"{at}/value", problem)
    return Condition(path=path, op=op, value=value)


def _problem(op: Op, value: Any) -> str:
    try:
        if len(canonical(value)) > MAX_BYTES or storable(value) != value:
            return f"The value is longer than {MAX_BYTES} bytes, or cannot be stored exactly."
    except InvalidInput as error:
        return error.detail
    match op:
        case Op.EQ:
            return ""
        case Op.IN:
            good = isinstance(value, list) and 0 < len(value) <= MAX_CHOICES
            return "" if good else f"Send a list of 1 to {MAX_CHOICES} values."
        case Op.LE | Op.GE:
            return "" if _is_number(value) else "Send a number."
        case Op.PREFIX:
            return "" if isinstance(value, str) and value else "Send the text with which it begins."
        case Op.PRESENT:
            return "" if isinstance(value, bool) else "Send true (it is given) or false (it is not)."


def _refused(at: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[{"at": at, "message": message}])
