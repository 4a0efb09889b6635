"""Which calls a standing grant answers for: values in, a yes or no out."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.types import AgentRef, PolicyRequest, Risk, UserRef
from hitl.grants import conditions
from hitl.grants.conditions import holds, parse
from hitl.grants.matching import describes, may_answer
from hitl.grants.types import Condition, Op, Scope, Terms
from hitl.reviews.types import Assurance
from tenants.kernel.errors import InvalidInput
from tests.governance.samples import AGENT_ID, REFUND, refund

CALL = REFUND.arguments
TERMS = Terms(
    agent_id=AGENT_ID,
    agent_version=1,
    tool_id=2,
    tool="refund_order",
    schema_version="v1",
    scope=Scope.EXACT_ARGS,
    arguments=CALL,
    conditions=(),
    requester_id=4,
    assurance=Assurance.SESSION,
)
NAN = float("nan")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def pattern(*raw: tuple[str, str, Any]) -> Terms:
    """Return terms with these conditions."""
    parsed = parse([{"path": path, "op": op, "value": value} for path, op, value in raw])
    return replace(TERMS, scope=Scope.ARGS_PATTERN, arguments=None, conditions=parsed)


def call(**changes: Any) -> PolicyRequest:
    """Return the refund with some arguments changed."""
    return REFUND.with_arguments({**CALL, **changes})


def answers(
    terms: Terms, request: PolicyRequest = REFUND, *, risk: str = "high", min_assurance: str = "token"
) -> bool:
    return may_answer(terms, request, risk=risk, min_assurance=min_assurance)


class TestCondition:
    @pytest.mark.parametrize(
        ("path", "op", "value", "arguments", "expected"),
        [
            ("amount", "eq", 25, {"amount": 25.0}, True),
            ("amount", "eq", 1, {"amount": True}, False),
            ("amount", "eq", 25, {"amount": "25"}, False),
            ("note", "eq", None, {"note": None}, True),
            ("note", "eq", None, {"note": {}}, False),
            ("note", "eq", {}, {"note": None}, False),
            ("note", "eq", {}, {"note": []}, False),
            ("note", "eq", None, {}, False),
            ("currency", "in", ["EUR", "USD"], {"currency": "USD"}, True),
            ("currency", "in", ["EUR", "USD"], {"currency": "usd"}, False),
            ("currency", "in", [0], {"currency": False}, False),
            ("amount", "le", 50, {"amount": 50}, True),
            ("amount", "le", 50, {"amount": 50.01}, False),
            ("amount", "le", 50, {"amount": "1"}, False),
            ("amount", "le", 50, {"amount": True}, False),
            ("amount", "le", 50, {"amount": NAN}, False),
            ("amount", "le", 50, {"amount": float("-inf")}, False),
            ("amount", "le", 50, {"amount": None}, False),
            ("amount", "le", 50, {}, False),
            ("amount", "ge", 5, {"amount": 5}, True),
            ("amount", "ge", 5, {"amount": 4}, False),
            ("to", "prefix", "ops@", {"to": "ops@acme.example"}, True),
            ("to", "prefix", "ops@", {"to": ["ops@acme.example"]}, False),
            ("to", "prefix", "ops@", {"to": " ops@acme.example"}, False),
            ("to", "present", True, {"to": None}, True),
            ("to", "present", True, {}, False),
            ("to", "present", False, {}, True),
            ("to", "present", False, {"to": None}, False),
            ("order.total", "le", 5, {"order": {"total": 4}}, True),
            ("order.total", "le", 5, {"order.total": 4}, False),
            ("order.total", "le", 5, {"order.total": 4, "order": {"total": 9}}, False),
            ("order.total", "le", 5, {"order": [{"total": 4}]}, False),
            ("order.total", "present", False, {"order": None}, True),
        ],
    )
    def test_holds_or_not(
        self, path: str, op: str, value: Any, arguments: dict[str, Any], expected: bool
    ) -> None:
        assert holds(Condition(path=path, op=Op(op), value=value), arguments) is expected

    @given(JSON)
    def test_of_equality_holds_of_the_value_itself(self, value: Any) -> None:
        assert holds(Condition(path="x", op=Op.EQ, value=value), {"x": value})

    @given(JSON, JSON)
    def test_of_equality_is_symmetric(self, one: Any, other: Any) -> None:
        there = holds(Condition(path="x", op=Op.EQ, value=one), {"x": other})
        assert there == holds(Condition(path="x", op=Op.EQ, value=other), {"x": one})

    @given(st.sampled_from([Op.LE, Op.GE]), JSON)
    def test_of_size_holds_of_numbers_only(self, op: Op, value: Any) -> None:
        if holds(Condition(path="x", op=op, value=0), {"x": value}):
            assert type(value) in {int, float}


class TestSaving:
    @pytest.mark.parametrize(
        ("raw", "at"),
        [
            (None, "/conditions"),
            ({}, "/conditions"),
            ("amount", "/conditions"),
            ([None], "/conditions/0"),
            ([{"path": "amount", "op": "le"}], "/conditions/0"),
            ([{"path": "amount", "op": "le", "value": 5, "or": 6}], "/conditions/0"),
            ([{"path": "", "op": "le", "value": 5}], "/conditions/0/path"),
            ([{"path": "a..b", "op": "le", "value": 5}], "/conditions/0/path"),
            ([{"path": None, "op": "le", "value": 5}], "/conditions/0/path"),
            ([{"path": "a", "op": "matches", "value": ".*"}], "/conditions/0/op"),
            ([{"path": "a", "op": None, "value": 1}], "/conditions/0/op"),
            ([{"path": "a", "op": ["eq"], "value": 1}], "/conditions/0/op"),
            ([{"path": "a", "op": "le", "value": "5"}], "/conditions/0/value"),
            ([{"path": "a", "op": "le", "value": True}], "/conditions/0/value"),
            ([{"path": "a", "op": "le", "value": NAN}], "/conditions/0/value"),
            ([{"path": "a", "op": "ge", "value": None}], "/conditions/0/value"),
            ([{"path": "a", "op": "in", "value": []}], "/conditions/0/value"),
            ([{"path": "a", "op": "in", "value": "EUR"}], "/conditions/0/value"),
            ([{"path": "a", "op": "prefix", "value": ""}], "/conditions/0/value"),
            ([{"path": "a", "op": "prefix", "value": 5}], "/conditions/0/value"),
            ([{"path": "a", "op": "present", "value": None}], "/conditions/0/value"),
            ([{"path": "a", "op": "eq", "value": "x" * 5000}], "/conditions/0/value"),
            (
                [{"path": "a", "op": "eq", "value": 1}, {"path": "b", "op": "?", "value": 1}],
                "/conditions/1/op",
            ),
        ],
    )
    def test_names_what_is_wrong(self, raw: Any, at: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            parse(raw)
        assert [error["at"] for error in refused.value.errors] == [at]

    def test_keeps_what_it_takes(self) -> None:
        raw = [
            {"path": "amount", "op": "le", "value": 50},
            {"path": "note", "op": "eq", "value": {}},
            {"path": "order.total", "op": "in", "value": [1, None]},
        ]
        assert conditions.to_json(parse(raw)) == raw

    @given(JSON)
    def test_takes_nothing_by_accident(self, raw: Any) -> None:
        if raw != []:
            with pytest.raises(InvalidInput):
                parse(raw)


class TestCall:
    """The refund of 25.00 that the grant was given from, and those beside it."""

    def test_is_covered_exactly(self) -> None:
        assert answers(TERMS)
        assert answers(TERMS, REFUND.with_arguments({"amount": 25, "order_id": "A-1001"}))

    @pytest.mark.parametrize(
        "arguments", [{}, {**CALL, "amount": 25.01}, {**CALL, "more": None}, {"amount": 25.0}]
    )
    def test_beside_it_is_not(self, arguments: dict[str, Any]) -> None:
        assert not answers(TERMS, REFUND.with_arguments(arguments))

    def test_without_arguments_is_no_wildcard(self) -> None:
        nothing = replace(TERMS, arguments={})
        assert answers(nothing, REFUND.with_arguments({}))
        assert not answers(nothing)
        assert not answers(replace(TERMS, arguments=None), REFUND.with_arguments({}))

    @given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
    def test_of_other_arguments_is_never_exactly_covered(self, arguments: dict[str, Any]) -> None:
        assert answers(TERMS, REFUND.with_arguments(arguments)) == (arguments == CALL)

    @pytest.mark.parametrize(
        "other",
        [
            replace(REFUND, agent=AgentRef(id=AGENT_ID, name="x", version=2, principal_id=9)),
            replace(REFUND, agent=AgentRef(id=AGENT_ID[:-1] + "9", name="x", version=1, principal_id=9)),
            replace(REFUND, user=UserRef(id=5, name="oscar")),
            refund(schema_version="v2"),
            refund(name="refund_orders"),
            refund(id=3),
        ],
        ids=["agent's version", "agent", "person", "tool's schema", "tool's name", "tool"],
    )
    @pytest.mark.parametrize("scope", list(Scope))
    def test_by_another_or_of_another_is_not(self, scope: Scope, other: PolicyRequest) -> None:
        terms = replace(pattern(("amount", "le", 100)), scope=scope, arguments=CALL)
        assert describes(terms, REFUND)
        assert not describes(terms, other)

    def test_of_anybody_is_covered_where_the_giver_said_so(self) -> None:
        assert answers(replace(TERMS, requester_id=None), replace(REFUND, user=UserRef(id=5, name="vera")))

    def test_within_every_limit_is_covered(self) -> None:
        terms = pattern(("amount", "le", 50), ("order_id", "prefix", "A-"))
        assert answers(terms, call(amount=50))
        assert not answers(terms, call(amount=51))
        assert not answers(terms, call(order_id="B-1"))

    def test_with_an_argument_that_nobody_foresaw_is_outside_every_pattern(self) -> None:
        assert not answers(pattern(("amount", "le", 50)), call(force=True))
        assert answers(pattern(("amount", "le", 50), ("force", "eq", True)), call(force=True))

    def test_is_not_covered_by_a_pattern_without_conditions(self) -> None:
        assert not answers(pattern())

    @given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
    def test_with_any_arguments_is_covered_by_scope_tool(self, arguments: dict[str, Any]) -> None:
        assert answers(replace(TERMS, scope=Scope.TOOL, arguments=None), REFUND.with_arguments(arguments))

    @pytest.mark.parametrize("scope", list(Scope))
    def test_that_is_critical_never_is(self, scope: Scope) -> None:
        terms = replace(pattern(("amount", "le", 100)), scope=scope, arguments=CALL)
        assert not answers(terms, risk="critical")
        assert not answers(terms, refund(risk=Risk.CRITICAL))

    @pytest.mark.parametrize("scope", list(Scope))
    def test_under_untrusted_influence_must_be_exactly_the_one_seen(self, scope: Scope) -> None:
        terms = replace(pattern(("amount", "le", 100)), scope=scope, arguments=CALL)
        led_on = replace(REFUND, influence=("read_ticket",))
        assert answers(terms, led_on) == (scope is Scope.EXACT_ARGS)

    @pytest.mark.parametrize("given_with", list(Assurance))
    @pytest.mark.parametrize("needed", list(Assurance))
    def test_needs_no_more_assurance_than_the_giver_had(
        self, given_with: Assurance, needed: Assurance
    ) -> None:
        levels = list(Assurance)
        enough = levels.index(given_with) >= levels.index(needed)
        assert answers(replace(TERMS, assurance=given_with), min_assurance=needed) == enough
