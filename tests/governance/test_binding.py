"""An approval is bound to every part of the action that a reviewer was shown."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.types import PolicyRequest, UserRef
from tenants.kernel.errors import InvalidInput
from tests.governance.samples import REFUND

# What does not change the action: names that identifiers stand for, and facts that the gate asks anew.
UNBOUND = {
    "agent.name", "agent.principal_id", "agent.owner_id", "tool.risk", "tool.effect", "tool.parameters", "tool.enabled",
    "tool.reversible", "run.trace_id", "delegator.id", "delegator.name", "influence", "agent.blueprint",
    "agent.level", "tool.level", "tool.server", "flow", "circumstances",
}  # fmt: skip
ASKED = replace(REFUND, delegator=UserRef(id=5, name="dora"), influence=("read_mail",), flow={"/amount": 1})


def leaves() -> list[str]:
    """Return every value in a policy request as `part.field`."""
    names = []
    for part in fields(PolicyRequest):
        value = getattr(ASKED, part.name)
        if part.name in {"tenant", "arguments", "influence", "flow", "circumstances"}:
            names.append(part.name)
        else:
            names += [f"{part.name}.{inner.name}" for inner in fields(value)]
    return names


def mutate(name: str) -> PolicyRequest:
    """Return the refund with this one value changed."""
    part, _, inner = name.partition(".")
    if not inner:
        return replace(ASKED, **{part: _other(getattr(ASKED, part))})
    value = getattr(ASKED, part)
    return replace(ASKED, **{part: replace(value, **{inner: _other(getattr(value, inner))})})


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case str():
            return f"{value}x"
        case int():
            return value + 1
        case tuple():
            return (*value, "more")
        case dict():
            return {**value, "more": 1}
    raise TypeError(type(value))


class TestDigest:
    @pytest.mark.parametrize("name", [name for name in leaves() if name not in UNBOUND])
    def test_changes_with_every_bound_value(self, name: str) -> None:
        assert mutate(name).digest() != ASKED.digest()

    def test_unbound_values_are_those_and_no_others(self) -> None:
        unchanged = {name for name in leaves() if mutate(name).digest() == ASKED.digest()}
        assert unchanged == UNBOUND

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"amount": 1}, {"amount": "1"}),
            ({"amount": 1}, {"amount": True}),
            ({"amount": None}, {}),
            ({"a": []}, {"a": {}}),
            ({"a": ["b", "c"]}, {"a": ["c", "b"]}),
            ({"a": "é"}, {"a": "e\u0301"}),
        ],
    )
    def test_tells_values_apart_that_look_alike(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        assert REFUND.with_arguments(one).digest() != REFUND.with_arguments(other).digest()

    def test_does_not_depend_on_the_order_of_keys(self) -> None:
        turned = dict(reversed(REFUND.arguments.items()))
        assert REFUND.with_arguments(turned).digest() == REFUND.digest()

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53 + 1, object(), b"bytes", "\ud800"])
    def test_refuses_what_has_no_canonical_form(self, value: Any) -> None:
        with pytest.raises(InvalidInput):
            REFUND.with_arguments({"amount": value}).digest()


class TestJson:
    def test_restores_an_equal_request(self) -> None:
        assert PolicyRequest.from_json(REFUND.to_json()) == REFUND

    @given(st.dictionaries(st.text(), st.none() | st.booleans() | st.text() | st.integers(-9, 9)))
    def test_restores_any_arguments(self, arguments: dict[str, Any]) -> None:
        request = REFUND.with_arguments(arguments)
        assert PolicyRequest.from_json(request.to_json()).digest() == request.digest()

    @pytest.mark.parametrize("part", ["tenant", "user", "agent", "tool", "arguments", "run"])
    def test_refuses_a_request_with_a_part_missing(self, part: str) -> None:
        value = {key: item for key, item in REFUND.to_json().items() if key != part}
        with pytest.raises(KeyError):
            PolicyRequest.from_json(value)
