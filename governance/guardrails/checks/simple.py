"""Length, banned content, patterns, allow-lists and JSON Schema."""

import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from governance.guardrails.base import Check, compiled, config_error, integer, strings, written_by_tenant
from governance.guardrails.types import Finding
from tenants.kernel.jsonvalues import JsonObject

MOST = 10_000_000
MAX_FINDINGS = 100
"""Of one pattern in one text."""


def _finding(check: Check, rule: str, start: int, end: int, label: str) -> Finding:
    return Finding(check=check.slug, rule=rule, start=start, end=end, score=1.0, label=label)


class Length(Check):
    """A text, or a value as a whole, that is longer than it may be."""

    slug = "length"
    title = "Length"
    settings = {"most": "Characters that one text may have; 20,000 if not given."}

    def __init__(self, config: JsonObject) -> None:
        super().__init__(config)
        self.most = integer(config, "most", default=20_000, least=1, most=MOST)

    def scan(self, text: str, *, hint: str = "") -> list[Finding]:
        """Return what is beyond the limit."""
        return [] if len(text) <= self.most else [_finding(self, "too-long", self.most, len(text), "length")]


class Banned(Check):
    """Words and phrases that must not be said, whole and in any case."""

    slug = "banned"
    title = "Banned content"
    settings = {"words": "Words and phrases; case does not matter, and only whole words count."}

    def __init__(self, config: JsonObject) -> None:
        super().__init__(config)
        words = strings(config, "words")
        if not words:
            raise config_error("words", "must name at least one word")
        escaped = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        # Python's own engine: alternatives of plain texts cannot backtrack far, and it knows words of all scripts.
        self._pattern = re.compile(rf"(?<!\w)(?:{escaped})(?!\w)", re.IGNORECASE)

    def scan(self, text: str, *, hint: str = "") -> list[Finding]:
        """Return the banned words that stand in the text."""
        found = []
        for match in self._pattern.finditer(text):
            found.append(_finding(self, "banned-word", match.start(), match.end(), "banned"))
            if len(found) == MAX_FINDINGS:
                break
        return found


class Pattern(Check):
    """What matches any of the tenant's own patterns."""

    slug = "pattern"
    title = "Patterns"
    settings = {"patterns": "RE2 patterns; what matches one is found.", "label": "What to call it."}

    def __init__(self, config: JsonObject) -> None:
        super().__init__(config)
        self._patterns = written_by_tenant(strings(config, "patterns"), "patterns")
        if not self._patterns:
            raise config_error("patterns", "must name at least one pattern")
        self._label = str(config.get("label", "pattern"))[:40]

    def scan(self, text: str, *, hint: str = "") -> list[Finding]:
        """Return what matches."""
        found = []
        for number, pattern in enumerate(self._patterns, start=1):
            for match in pattern.finditer(text):
                if match.end() > match.start():
                    found.append(_finding(self, f"pattern-{number}", match.start(), match.end(), self._label))
                if len(found) >= MAX_FINDINGS:
                    break
        return sorted(found, key=lambda f: f.start)


class AllowList(Check):
    """What is of a kind, such as an address of the web, and not among those allowed."""

    slug = "allow-list"
    title = "Allow-list"
    settings = {
        "kind": "RE2 pattern of what must be allowed, such as https?://[^\\s]+ or [^\\s@]+@[^\\s@]+.",
        "allowed": "RE2 patterns; what one of them matches as a whole passes.",
    }

    def __init__(self, config: JsonObject) -> None:
        super().__init__(config)
        kind = config.get("kind")
        if not isinstance(kind, str) or not kind:
            raise config_error("kind", "must be a pattern")
        [self._kind] = written_by_tenant([kind], "kind")
        self._allowed = written_by_tenant(strings(config, "allowed"), "allowed")

    def scan(self, text: str, *, hint: str = "") -> list[Finding]:
        """Return what is of the kind and not allowed."""
        found = []
        for match in self._kind.finditer(text):
            if match.end() > match.start() and not any(p.fullmatch(match.group()) for p in self._allowed):
                found.append(_finding(self, "not-allowed", match.start(), match.end(), "not_allowed"))
            if len(found) == MAX_FINDINGS:
                break
        return found


class Schema(Check):
    """A value that has not the shape it must have."""

    slug = "schema"
    title = "JSON Schema"
    settings = {"schema": "A JSON Schema (2020-12) that the value must meet."}

    def __init__(self, config: JsonObject) -> None:
        super().__init__(config)
        schema = config.get("schema")
        if not isinstance(schema, dict):
            raise config_error("schema", "must be a JSON Schema")
        if any(name == "patternProperties" for name in _names(schema)):
            raise config_error("schema", "must not use patternProperties")
        written_by_tenant(_patterns(schema), "schema")
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise config_error("schema", f"is no JSON Schema: {error.message[:200]}") from error
        # The registry is empty: jsonschema's own would fetch what a schema refers to.
        self._validator = Linear(schema, registry=Registry())

    def scan(self, text: str, *, hint: str = "") -> list[Finding]:
        """Return nothing: it is the value as a whole that has a shape."""
        return []

    def scan_value(self, value: Any) -> list[Finding]:
        """Return where the value has not the shape."""
        try:
            places = ["/" + "/".join(map(str, error.path)) for error in self._validator.iter_errors(value)]
        except Unresolvable:
            places = ["/"]
        return [
            Finding(check=self.slug, rule="wrong-shape", score=1.0, label="schema", pointer=place)
            for place in places[:MAX_FINDINGS]
        ]


def _matches(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """Check the keyword `pattern` with RE2: Python's engine could be kept busy by a text made for it."""
    if isinstance(instance, str) and compiled(pattern).search(instance) is None:
        yield ValidationError("does not match")


Linear: Any = extend(Draft202012Validator, {"pattern": _matches})  # type: ignore[no-untyped-call]  # untyped upstream


def _names(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _names(inner)


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict) and isinstance(schema.get("pattern"), str):
        yield schema["pattern"]
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _patterns(inner)
