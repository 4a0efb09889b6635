"""Take out of arguments what a rule does not let through. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from governance.policies import operators, paths
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject

REPLACEMENT = "[redacted]"
MAX_REPLACEMENT, MAX_PATHS = 200, 30
EVERY = "*"
"""In a path: every element of a list, or every member of an object."""
MEMBERS = frozenset({"paths", "pattern", "replacement"})
Say = Callable[[str, str], None]
Change = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Redaction:
    """Where something is taken out, and what stands there afterwards."""

    paths: tuple[tuple[str, ...], ...]
    change: Change
    is_whole: bool
    """Whether the whole value goes, not only what fits a pattern."""


def compile_redaction(raw: Any, *, at: str, say: Say) -> Redaction | None:
    """Return the redaction that the parameters of a rule describe; tell `say` what cannot be used."""
    if not isinstance(raw, dict) or set(raw) - MEMBERS:
        say(at, "Give paths, and if you like pattern and replacement.")
        return None
    listed = raw.get("paths")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_PATHS:
        say(f"{at}/paths", f"Give a list of 1 to {MAX_PATHS} paths such as args.note.")
        return None
    for n, path in enumerate(listed):
        wrong = paths.problem(path)
        if not wrong and not path.startswith(f"{paths.ARGUMENTS}."):
            wrong = "Only arguments can be taken out: a path such as args.note."
        if wrong:
            say(f"{at}/paths/{n}", wrong)
    replacement = raw.get("replacement", REPLACEMENT)
    if not isinstance(replacement, str) or len(replacement) > MAX_REPLACEMENT:
        say(f"{at}/replacement", f"Give a text of at most {MAX_REPLACEMENT} characters.")
        return None
    change: Change = lambda _value: replacement  # noqa: E731
    if raw.get("pattern") is not None:
        try:
            expression = operators.pattern(raw["pattern"])
        except InvalidInput as error:
            say(f"{at}/pattern", error.detail)
            return None
        change = _within(expression, replacement)
    return Redaction(
        paths=tuple(tuple(str(path).split(".")[1:]) for path in listed),
        change=change,
        is_whole=raw.get("pattern") is None,
    )


def _within(expression: Any, replacement: str) -> Change:
    def change(value: Any) -> Any:
        match value:
            case str():
                return expression.sub(lambda _match: replacement, value)
            case list():
                return [change(one) for one in value]
            case dict():
                return {name: change(one) for name, one in value.items()}
        return value

    return change


def redacted(arguments: JsonObject, redactions: Sequence[tuple[str, Redaction]]) -> JsonObject:
    """Return the arguments after all redactions, given with the ids of their rules; their order changes nothing.

    What is taken out by pattern goes first and whole values after it, so that a whole value stays out.
    """
    left: Any = arguments
    for _, redaction in sorted(redactions, key=lambda pair: (pair[1].is_whole, pair[0])):
        for path in redaction.paths:
            left = _changed(left, path, redaction.change)
    result: JsonObject = left
    return result


def _changed(value: Any, path: Sequence[str], change: Change) -> Any:
    if not path:
        return change(value)
    name, rest = path[0], path[1:]
    match value:
        case dict() if name == EVERY:
            return {key: _changed(one, rest, change) for key, one in value.items()}
        case dict() if name in value:
            return {**value, name: _changed(value[name], rest, change)}
        case list() if name == EVERY:
            return [_changed(one, rest, change) for one in value]
        case list() if name.isascii() and name.isdigit() and int(name) < len(value):
            at = int(name)
            return [*value[:at], _changed(value[at], rest, change), *value[at + 1 :]]
    return value
