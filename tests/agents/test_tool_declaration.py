"""A tool's schema, name and description come from its typed function."""

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from agents.tools.base import ToolContext, ToolSpec, schema_version, tool
from agents.tools.registry import REGISTRY, spec_of
from governance.policies.arguments import problems
from governance.types import EffectClass, Risk


def spec(function: Any) -> ToolSpec:
    declared: ToolSpec = tool(risk=Risk.HIGH, effect=EffectClass.NON_IDEMPOTENT)(function).spec
    return declared


def transfer(
    amount: Annotated[float, Field(gt=0, le=100)],
    to: Annotated[str, Field(description="An account", max_length=5)],
    title: Literal["gift", "loan"] = "gift",
    tags: list[str] | None = None,
    context: ToolContext | None = None,
) -> None:
    """Transfer money."""


class TestSchema:
    def test_comes_from_the_annotations(self) -> None:
        assert spec(transfer).parameters == {
            "type": "object",
            "additionalProperties": False,
            "required": ["amount", "to"],
            "properties": {
                "amount": {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
                "to": {"type": "string", "description": "An account", "maxLength": 5},
                "title": {"enum": ["gift", "loan"], "default": "gift", "type": "string"},
                "tags": {
                    "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}],
                    "default": None,
                },
            },
        }

    def test_hides_the_context_from_the_model(self) -> None:
        declared = spec(transfer)
        assert declared.wants_context
        assert "context" not in declared.parameters["properties"]
        assert problems(declared.parameters, {"amount": 1, "to": "me", "context": {}}) != []

    def test_of_a_function_without_parameters_takes_nothing(self) -> None:
        def now() -> None:
            """Tell the time."""

        declared = spec(now)
        assert problems(declared.parameters, {}) == []
        assert problems(declared.parameters, {"zone": "UTC"}) != []
        assert not declared.wants_context

    def test_keeps_a_parameter_named_title(self) -> None:
        assert "title" in spec(transfer).parameters["properties"]

    def test_gives_name_description_risk_and_effect(self) -> None:
        declared = spec(transfer)
        assert (declared.name, declared.description) == ("transfer", "Transfer money.")
        assert (declared.risk, declared.effect) == (Risk.HIGH, EffectClass.NON_IDEMPOTENT)

    def test_leaves_the_function_callable(self) -> None:
        @tool(risk=Risk.LOW, effect=EffectClass.READ)
        def double(n: int) -> int:
            """Double a number."""
            return 2 * n

        assert double(4) == 8


class TestRefusals:
    def test_of_a_tool_without_a_docstring(self) -> None:
        def silent(n: int) -> None:
            pass

        with pytest.raises(TypeError, match="silent needs a docstring"):
            spec(silent)

    def test_of_a_parameter_without_an_annotation(self) -> None:
        def vague(n) -> None:  # type: ignore[no-untyped-def]
            """Do something."""

        with pytest.raises(TypeError, match="'n' needs a type annotation"):
            spec(vague)


class TestVersion:
    def test_is_that_of_the_definition(self) -> None:
        declared = spec(transfer)
        assert declared.schema_version == schema_version("transfer", "Transfer money.", declared.parameters)

    @pytest.mark.parametrize(
        "other",
        [
            ("send", "Do it.", {"type": "object"}),
            ("pay", "Do that.", {"type": "object"}),
            ("pay", "Do it.", {}),
        ],
    )
    def test_changes_with_every_part(self, other: tuple[str, str, dict[str, Any]]) -> None:
        assert schema_version(*other) != schema_version("pay", "Do it.", {"type": "object"})


class TestRegisteredTools:
    @pytest.mark.parametrize("name", list(REGISTRY))
    def test_carry_their_own_name_and_a_schema_that_can_be_checked(self, name: str) -> None:
        declared = spec_of(name)
        assert declared.name == name
        assert declared.parameters["additionalProperties"] is False
        assert not [p for p in problems(declared.parameters, {}) if "cannot be used" in p["message"]]

    @pytest.mark.parametrize("name", list(REGISTRY))
    def test_that_take_dates_do_not_exist_because_arguments_arrive_as_json(self, name: str) -> None:
        hints = spec_of(name).function.__annotations__
        assert date not in hints.values()


class TestLimits:
    @pytest.mark.parametrize(
        "limits", [{"timeout_s": 0}, {"timeout_s": 601}, {"max_attempts": 0}, {"max_attempts": 11}]
    )
    def test_out_of_range_are_refused(self, limits: dict[str, int]) -> None:
        with pytest.raises(ValueError, match="out of range"):
            tool(risk=Risk.LOW, effect=EffectClass.READ, **limits)(transfer)  # type: ignore[arg-type]  # numbers

    def test_hold_no_fallback_to_the_tool_itself(self) -> None:
        with pytest.raises(ValueError, match="itself"):
            tool(risk=Risk.LOW, effect=EffectClass.READ, fallback="transfer")(transfer)
