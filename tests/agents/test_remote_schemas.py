"""A schema from outside is used only if checking a value against it is cheap and stays here."""

import time
from typing import Any

import pytest

from agents.tools.remote import schemas
from agents.tools.remote.schemas import SchemaRefused
from governance.policies import arguments
from tenants.kernel.errors import DomainError
from tests.tenants.sinks import listening


def with_property(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}


def doubling(levels: int) -> dict[str, Any]:
    """Return a small schema that doubles with each level when its references are written out."""
    twice = {f"l{n}": {"allOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 2} for n in range(levels)}
    return {"type": "object", "$ref": "#/$defs/l0", "$defs": {**twice, f"l{levels}": {}}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = with_property(schema)
    return schema


def chain(links: int) -> dict[str, Any]:
    defs: dict[str, Any] = {f"l{n}": {"$ref": f"#/$defs/l{n + 1}"} for n in range(links)}
    return {"type": "object", "$defs": {**defs, f"l{links}": {}}}


REFUSED = {
    "not an object": [],
    "of a text": {"type": "string"},
    "of nothing": {},
    "remote": with_property({"$ref": "https://example.com/schema.json"}),
    "remote, relative": with_property({"$ref": "other.json#/a"}),
    "file": with_property({"$ref": "file:///etc/passwd"}),
    "nowhere": with_property({"$ref": "#/$defs/none"}),
    "not a text": with_property({"$ref": 7}),
    "itself": with_property({"$ref": "#"}),
    "circle": {**with_property({"$ref": "#/$defs/a"}), "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}},
    "two circles": {
        **with_property({"$ref": "#/$defs/a"}),
        "$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"not": {"$ref": "#/$defs/a"}}},
    },
    "dynamic": with_property({"$dynamicRef": "#node"}),
    "anchor": with_property({"$anchor": "node"}),
    "base": {"type": "object", "$id": "https://example.com/"},
    "doubling": doubling(30),
    "deep": nested(40),
    "long chain": chain(1000),
    "wide": {"type": "object", "allOf": [{} for _ in range(6000)]},
    "large": {"type": "object", "description": "x" * 70_000},
    "nan": {"type": "object", "maxProperties": float("nan")},
    "no type": with_property({"type": "nothing"}),
    "malformed": {"type": "object", "required": "a"},
    "nested repeat": with_property({"pattern": "^(a+)+$"}),
    "alternatives repeated": with_property({"pattern": "^(a|a)*$"}),
    "counted repeat": with_property({"pattern": "^(a*){20}$"}),
    "many repeats": with_property({"pattern": ".*.*.*=.*"}),
    "two repeats": with_property({"pattern": "^a*a*b$"}),
    "repeat anywhere": with_property({"pattern": "a*b"}),
    "repeat in an alternative": with_property({"pattern": "^a|b*c"}),
    "options": with_property({"pattern": "^" + "a?" * 30 + "a" * 30}),
    "wide counts": with_property({"pattern": "^a{0,999}a{0,999}b$"}),
    "reference back": with_property({"pattern": r"^(a*)\1b$"}),
    "long pattern": with_property({"pattern": "a" * 201}),
    "broken pattern": with_property({"pattern": "("}),
    "pattern of names": {"type": "object", "patternProperties": {"^(x+)+$": {}}},
}
ACCEPTED = {
    "empty": {"type": "object"},
    "older dialect": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
    "shared part": {
        **with_property({"$ref": "#/$defs/a"}),
        "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/b"}}, "b": {"type": "string"}},
    },
    "escaped name": {**with_property({"$ref": "#/$defs/a~1b"}), "$defs": {"a/b": {"type": "string"}}},
    "properties called like keywords": {
        "type": "object",
        "properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}, "$id": {"type": "string"}},
    },
    "literals that look like keywords": with_property({"const": {"$ref": "http://example.com"}}),
    "pattern": with_property({"pattern": r"^[A-Z]{2,4}-\d+$"}),
    "characters that are no repeats": with_property({"pattern": r"^(?:[*+?{]|\*\+|\?)[^|]*$"}),
    "one of many": with_property({"pattern": "^(" + "|".join("abcdefghijklmnopqrst") + ")$"}),
    "tags": with_property({"enum": ["a", None, 1]}),
}


class TestCheck:
    @pytest.mark.parametrize("name", REFUSED)
    def test_refuses_quickly(self, name: str) -> None:
        began = time.monotonic()
        with pytest.raises(DomainError) as caught:
            schemas.check(REFUSED[name], of_object=True)
        assert caught.value.status == 422
        assert time.monotonic() - began < 1

    @pytest.mark.parametrize("name", ACCEPTED)
    def test_accepts(self, name: str) -> None:
        schemas.check(ACCEPTED[name], of_object=True)

    def test_refuses_what_is_nested_deeper_than_the_stack(self) -> None:
        with pytest.raises(SchemaRefused, match="nested deeper"):
            schemas.check(nested(50_000), of_object=True)


class TestArguments:
    def test_are_never_checked_against_a_schema_that_is_fetched(self) -> None:
        with listening() as target:
            schema = with_property({"$ref": f"{target.url}/schema.json"})
            (problem,) = arguments.problems(schema, {"a": 1})
            assert "cannot be used" in problem["message"]
            assert target.connections == 0
