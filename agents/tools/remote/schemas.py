"""Accept a JSON Schema from outside only if checking a value against it is cheap and stays here. Pure."""

import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from tenants.kernel.errors import DomainError
from tenants.kernel.jsonvalues import JsonObject, canonical

MAX_BYTES = 64 * 1024
MAX_LEVELS = 32
MAX_EXPANDED = 5000
MAX_PATTERN = 200
MAX_CHAIN = 32
# A value may have 256 KB, and while a pattern is matched nothing else in the process runs.
_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{\d*,?\d*\})")
_REFERENCE = re.compile(r"\\[1-9]|\(\?P=")
_TOKEN = re.compile(
    r"""\\. | \[\^?\]?(?:\\.|[^\\\]])*\] | \(\?? | [)|] | (?:[*+?]|\{\d*,\d*\})[?+]?""",
    re.VERBOSE | re.DOTALL,
)
MAX_WAYS = 100
_LITERAL = frozenset({"const", "enum", "default", "examples", "example"})
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_ELSEWHERE = frozenset({"$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$anchor", "$id", "id"})


class SchemaRefused(DomainError):
    """A JSON Schema is malformed, too large, refers elsewhere, or could make a check endless."""

    code = "schema-refused"
    status = 422


def check(schema: Any, *, of_object: bool) -> None:
    """Raise SchemaRefused unless the schema can be used; `of_object` asks that it describes an object.

    It is read as draft 2020-12, whatever `$schema` says, for that is how arguments are checked. Size and
    depth are limited; references lead to places inside the schema, without circles, and writing them
    all out gives at most 5,000 parts; patterns are short and quick to match.
    """
    if not isinstance(schema, dict):
        raise SchemaRefused("The schema must be an object.")
    if of_object and schema.get("type") != "object":
        raise SchemaRefused('The schema must say "type": "object".')
    if _levels(schema) > MAX_LEVELS:
        raise SchemaRefused(f"The schema is nested deeper than {MAX_LEVELS} levels.")
    if len(canonical(schema)) > MAX_BYTES:
        raise SchemaRefused(f"The schema is larger than {MAX_BYTES // 1024} KB.")
    _Expansion(schema).weigh()
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise SchemaRefused(f"The schema is malformed: {error.message[:300]}") from error


def _levels(value: Any) -> int:
    """Return how deep a value is nested, without recursion: it may be deeper than the stack."""
    level, layer = 0, [value]
    while layer and level <= MAX_LEVELS:
        level += 1
        layer = [
            item
            for part in layer
            if isinstance(part, (dict, list))
            for item in (part.values() if isinstance(part, dict) else part)
        ]
    return level


class _Expansion:
    """Counts the parts of a schema with every reference written out, each reference once."""

    def __init__(self, root: JsonObject) -> None:
        self.root = root
        self.known: dict[str, int] = {}
        self.under_way: set[str] = set()

    def weigh(self) -> None:
        """Raise SchemaRefused if the whole is too large, or circular."""
        self._weight(self.root)

    def _weight(self, schema: Any) -> int:
        total = 1 + sum(self._weight(part) for part in _parts(schema))
        if isinstance(schema, dict) and "$ref" in schema:
            total += self._of_reference(schema["$ref"])
        if total > MAX_EXPANDED:
            raise SchemaRefused(f"The schema has more than {MAX_EXPANDED} parts when written out.")
        return total

    def _of_reference(self, reference: Any) -> int:
        if reference in self.under_way:
            raise SchemaRefused("The schema refers to itself; write out as many levels as are needed.")
        if len(self.under_way) == MAX_CHAIN:
            raise SchemaRefused(f"More than {MAX_CHAIN} references lead from one to the next.")
        if reference not in self.known:
            self.under_way.add(reference)
            self.known[reference] = self._weight(self._target(reference))
            self.under_way.discard(reference)
        return self.known[reference]

    def _target(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise SchemaRefused("A reference must lead to a place inside the schema (#/…).")
        if reference == "#":
            raise SchemaRefused("The schema refers to itself; write out as many levels as are needed.")
        target: Any = self.root
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, dict) or name not in target:
                raise SchemaRefused(f"The reference {reference[:100]} leads nowhere.")
            target = target[name]
        return target


def _parts(schema: Any) -> Iterator[Any]:
    """Yield the schemas directly inside a schema; refuse keywords that lead elsewhere."""
    if isinstance(schema, list):
        yield from schema
        return
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        if keyword in _ELSEWHERE and isinstance(value, str):
            raise SchemaRefused(f"The keyword {keyword} is not supported.")
        if keyword in _LITERAL:
            continue
        if keyword == "pattern":
            _check_pattern(value)
        if keyword in _NAMED and isinstance(value, dict):
            if keyword == "patternProperties":
                for pattern in value:
                    _check_pattern(pattern)
            yield from value.values()
        elif isinstance(value, (dict, list)):
            yield value


def _check_pattern(pattern: Any) -> None:
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
        raise SchemaRefused(f"A pattern is longer than {MAX_PATTERN} characters.")
    if _REPEATED_GROUP.search(pattern) or _REFERENCE.search(pattern) or not _is_cheap(pattern):
        raise SchemaRefused(
            f"The pattern {pattern[:60]} may take very long to match: repeat no group, repeat one part without"
            " limit and only after ^, and leave few options."
        )
    try:
        re.compile(pattern)
    except re.error as error:
        raise SchemaRefused(f"The pattern {pattern[:60]} is malformed: {error}.") from error


def _is_cheap(pattern: str) -> bool:
    """Tell whether matching takes about one pass: one repeat without limit, from the start, and few ways."""
    endless, ways, alternatives = 0, 1, [1]
    for token in _TOKEN.findall(pattern):
        match token[0]:
            case "(":
                alternatives.append(1)
            case ")" if len(alternatives) > 1:
                ways *= alternatives.pop()
            case "|":
                alternatives[-1] += 1
            case "*" | "+":
                endless += 1
            case "?":
                ways *= 2
            case "{":
                low, _, high = token.rstrip("?+")[1:-1].partition(",")
                endless += not high
                ways *= max(int(high) - int(low or 0) + 1, 1) if high else 1
    is_anchored = pattern.startswith("^") and alternatives[0] == 1
    return ways * alternatives[0] <= MAX_WAYS and endless <= is_anchored
