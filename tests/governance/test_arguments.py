"""Arguments are checked against the tool's schema, and a schema that cannot be used fits nothing."""

from typing import Any

import pytest

from governance.policies.arguments import problems
from tests.governance.samples import REFUND_SCHEMA


class TestProblems:
    @pytest.mark.parametrize("amount", [0.01, 25, 25.0, 1000])
    def test_are_none_when_the_arguments_fit(self, amount: float) -> None:
        assert problems(REFUND_SCHEMA, {"order_id": "A-1001", "amount": amount}) == []

    @pytest.mark.parametrize(
        ("arguments", "at"),
        [
            ({}, ["/", "/"]),
            ({"order_id": "A-1001"}, ["/"]),
            ({"order_id": "A-1001", "amount": 25, "to": "me"}, ["/"]),
            ({"order_id": 1001, "amount": 25}, ["/order_id"]),
            ({"order_id": "A-1001", "amount": "25"}, ["/amount"]),
            ({"order_id": "A-1001", "amount": True}, ["/amount"]),
            ({"order_id": "A-1001", "amount": None}, ["/amount"]),
            ({"order_id": "A-1001", "amount": 0}, ["/amount"]),
            ({"order_id": "A-1001", "amount": 1000.01}, ["/amount"]),
            ({"order_id": "A" * 21, "amount": -1}, ["/amount", "/order_id"]),
            (None, ["/"]),
            ([], ["/"]),
            ("{}", ["/"]),
        ],
    )
    def test_name_each_place(self, arguments: Any, at: list[str]) -> None:
        assert [problem["at"] for problem in problems(REFUND_SCHEMA, arguments)] == at

    def test_of_nested_values_name_the_path(self) -> None:
        schema = {"properties": {"to": {"type": "array", "items": {"type": "string"}}}}
        assert problems(schema, {"to": ["a", 1]})[0]["at"] == "/to/1"

    def test_include_a_format_that_does_not_hold(self) -> None:
        schema = {"properties": {"to": {"type": "string", "format": "email"}}}
        assert [p["at"] for p in problems(schema, {"to": "nobody"})] == ["/to"]
        assert problems(schema, {"to": "maya@example.com"}) == []


class TestUnusableSchema:
    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "no such type"},
            {"properties": {"amount": {"minimum": "one"}}},
            {"properties": []},
            {"required": "amount"},
            {"pattern": "("},
            {"patternProperties": {"(": {}}},
            {"$ref": "#/$defs/missing"},
            {"$ref": "https://example.com/schema.json"},
            {"properties": {"amount": {"maximum": float("nan")}}},
            {"properties": {"amount": {"maximum": 2**60}}},
        ],
    )
    def test_fits_nothing(self, schema: dict[str, Any]) -> None:
        found = problems(schema, {"amount": 1})
        assert len(found) == 1
        assert found[0]["message"].startswith("The tool's schema cannot be used")
