"""Read values out of a TOML table with errors that name the file, the script and the key."""

from collections.abc import Mapping
from typing import Any, TypeVar

from agents.llm.scripted import templates
from agents.llm.scripted.templates import Template
from agents.llm.scripted.types import Json

T = TypeVar("T")
_KINDS = {str: "a string", int: "a whole number", bool: "true or false", list: "a list", dict: "a table"}


class ScriptError(ValueError):
    """Say what is wrong with a script, and where."""


class Table:
    """Take typed values out of a mapping; `close` refuses the keys that nobody took."""

    def __init__(self, data: object, where: str) -> None:
        self.where = where
        if not isinstance(data, dict):
            raise ScriptError(f"{where} must be a table")
        self._left: dict[str, Any] = dict(data)

    def error(self, key: str, problem: str) -> ScriptError:
        """Return the error to raise about `key`."""
        return ScriptError(f"{self.where}.{key} {problem}")

    def has(self, key: str) -> bool:
        """Say whether `key` is there and not yet taken."""
        return key in self._left

    def take(self, key: str, kind: type[T], default: T) -> T:
        """Return the value of `key`, which must be a `kind`, else `default`."""
        value: object = self._left.pop(key, default)
        if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return value
        raise self.error(key, f"must be {_KINDS[kind]}")

    def need(self, key: str, kind: type[T]) -> T:
        """Return the value of `key`, which must be there and a `kind`."""
        if key not in self._left:
            raise self.error(key, "is missing")
        return self.take(key, kind, kind())

    def strings(self, key: str) -> frozenset[str]:
        """Return a list of strings, or one string alone; empty where the key is absent."""
        values = self._left.pop(key, [])
        values = [values] if isinstance(values, str) else values
        if not isinstance(values, list) or not all(
            isinstance(value, str) and value.strip() for value in values
        ):
            raise self.error(key, "must be a list of non-empty strings")
        return frozenset(values)

    def flag_or_strings(self, key: str) -> bool | frozenset[str]:
        """Return true, false (also where the key is absent) or a list of strings."""
        if isinstance(self._left.get(key, False), bool):
            return self.take(key, bool, False)
        if not (values := self.strings(key)):
            raise self.error(key, "cannot be empty")
        return values

    def tables(self, key: str) -> list["Table"]:
        """Return a list of tables, counted from 1 in errors; empty where the key is absent."""
        return [Table(item, f"{self.where}.{key}[{i}]") for i, item in enumerate(self.take(key, list, []), 1)]

    def items(self, key: str) -> list[tuple[str, Any]]:
        """Return the pairs of a table, empty where the key is absent."""
        return list(self.take(key, dict, {}).items())

    def template(self, key: str) -> Template | None:
        """Return a text with fields, None where the key is absent."""
        return parse_template(self.need(key, str), f"{self.where}.{key}") if self.has(key) else None

    def close(self) -> None:
        """Raise ScriptError when a key is left that means nothing here."""
        for key in self._left:
            raise self.error(key, "is not a known key")


def parse_template(text: str, where: str) -> Template:
    """Read a text with fields. Raises ScriptError."""
    try:
        return templates.parse(text)
    except templates.TemplateError as error:
        raise ScriptError(f"{where}: {error}") from error


def parse_arguments(value: object, where: str) -> "Arguments":
    """Read arguments, with a template in place of every string. Raises ScriptError."""
    match value:
        case str():
            return parse_template(value, where)
        case bool() | int() | float():
            return value
        case list():
            return [parse_arguments(item, f"{where}[{i}]") for i, item in enumerate(value)]
        case dict():
            return {key: parse_arguments(item, f"{where}.{key}") for key, item in value.items()}
        case _:
            raise ScriptError(f"{where} must be a JSON value; write dates as strings")


Arguments = Template | bool | int | float | list["Arguments"] | dict[str, "Arguments"]


def fill(arguments: Arguments, values: Mapping[str, Json]) -> Json:
    """Return the arguments as JSON with every template filled. Raises templates.MissingValueError."""
    match arguments:
        case Template():
            return arguments.value(values)
        case list():
            return [fill(item, values) for item in arguments]
        case dict():
            return {key: fill(item, values) for key, item in arguments.items()}
        case _:
            return arguments


def roots(arguments: Arguments) -> set[str]:
    """Return the first name of every source in the arguments."""
    match arguments:
        case Template():
            return set(arguments.roots)
        case list():
            return {root for item in arguments for root in roots(item)}
        case dict():
            return {root for item in arguments.values() for root in roots(item)}
        case _:
            return set()
