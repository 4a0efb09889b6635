"""Each operator of a condition: where it holds, where it does not, and where it cannot be told."""

from typing import Any

import pytest

from governance.policies.conditions import compile_tree
from governance.policies.engine import ask
from governance.policies.rules import RuleEffect, compile_rule
from tenants.kernel.errors import InvalidInput
from tests.governance.rules import document, leaf, rule
from tests.governance.samples import NOW, REFUND

CANNOT = [
    ("eq", 5, "5"), ("ne", "a", 5), ("lt", 5, "4"), ("le", 5, True), ("gt", 5, None), ("ge", "2026-01-01", 5),
    ("in", ["a"], 5), ("not_in", [1], "a"), ("has", "a", "abc"), ("lacks", "a", 5), ("matches", "a", 5),
    ("glob", "a*", ["a"]), ("cidr", "10.0.0.0/8", "not an address"), ("cidr", "10.0.0.0/8", 5),
    ("len", {"gt": 1}, 5), ("subset_of", ["a"], "a"), ("matches", "a", "a" * 20_001), ("eq", 5, float("nan")),
]  # fmt: skip
HOLDS = [
    ("eq", 5, 5.0), ("eq", None, None), ("eq", {"a": 1}, {"a": 1}), ("ne", 5, 6), ("ne", None, 5), ("lt", 5, 4),
    ("le", 5, 5), ("gt", 5, 5.01), ("ge", "2026-01-01", "2026-02-01"), ("in", ["a", 1], 1.0), ("not_in", ["a"], "b"),
    ("has", "a", ["b", "a"]), ("has", "a", {"a": 0}), ("lacks", 1, ["1", True]), ("matches", "^a+$", "aaa"),
    ("matches", "b", "abc"), ("glob", ["x", "a*c"], "abc"), ("cidr", ["10.0.0.0/8"], "10.1.2.3"),
    ("cidr", "fd00::/8", "fd00::1"), ("exists", True, None), ("len", {"ge": 3}, "abc"), ("len", {"eq": 0}, []),
    ("subset_of", ["a", "b"], ["b"]), ("subset_of", ["a"], []),
]  # fmt: skip
FAILS = [
    ("eq", 5, 6), ("eq", None, 5), ("eq", "a", "A"), ("ne", 5, 5), ("lt", 5, 5), ("le", 5, 6), ("gt", 5, 5),
    ("ge", 5, 4.9), ("in", ["a"], "b"), ("not_in", ["a"], "a"), ("has", "a", []), ("has", 1, [True]),
    ("lacks", "a", ["a"]), ("matches", "^a+$", "aaab"), ("matches", "^a$", "a\n"), ("glob", "a*", "ba"),
    ("cidr", "10.0.0.0/8", "11.0.0.1"), ("exists", False, 1), ("len", {"lt": 3}, "abc"),
    ("subset_of", ["a"], ["a", "c"]),    ("subset_of", ["a"], [["a"]]),
]  # fmt: skip


def told(condition: Any, arguments: Any) -> bool | None:
    """Return what a condition says about these arguments."""
    wrong: list[str] = []
    tree = compile_tree(condition, at="", say=lambda at, message: wrong.append(f"{at}: {message}"))
    assert wrong == []
    return tree.ask({"args": arguments, "user": {"groups": ["finance"]}})


class TestOperator:
    @pytest.mark.parametrize(("op", "value", "found"), HOLDS)
    def test_holds(self, op: str, value: Any, found: Any) -> None:
        assert told(leaf("args.x", op, value), {"x": found}) is True

    @pytest.mark.parametrize(("op", "value", "found"), FAILS)
    def test_does_not_hold(self, op: str, value: Any, found: Any) -> None:
        assert told(leaf("args.x", op, value), {"x": found}) is False

    @pytest.mark.parametrize(("op", "value", "found"), CANNOT)
    def test_cannot_be_told_of_another_type(self, op: str, value: Any, found: Any) -> None:
        assert told(leaf("args.x", op, value), {"x": found}) is None

    @pytest.mark.parametrize(("op", "value", "_found"), [row for row in HOLDS if row[0] != "exists"])
    def test_cannot_be_told_of_what_is_missing(self, op: str, value: Any, _found: Any) -> None:
        assert told(leaf("args.x", op, value), {"y": 1}) is None

    def test_exists_alone_tolerates_absence(self) -> None:
        assert told(leaf("args.x.y", "exists", True), {"x": {"z": 1}}) is False
        assert told(leaf("args.x.y", "exists", False), {"x": "no object"}) is True

    def test_reaches_into_objects_and_lists(self) -> None:
        arguments = {"orders": [{"total": 5}, {"total": 700}]}
        assert told(leaf("args.orders.1.total", "gt", 500), arguments) is True
        assert told(leaf("args.orders.2.total", "gt", 500), arguments) is None

    @pytest.mark.parametrize(
        ("op", "value"),
        [
            ("lt", None), ("gt", True), ("in", "a"), ("in", []), ("in", [None]), ("has", ["a"]), ("matches", "("),
            ("matches", "a" * 501), ("matches", 5), ("glob", []), ("glob", 5), ("cidr", "10.0.0.0/99"), ("cidr", 5),
            ("exists", "yes"), ("len", 3), ("len", {"gt": -1}), ("len", {"gt": 1, "lt": 3}), ("subset_of", "a"),
            ("like", "a"), ("eq", float("inf")), ("in", ["a"] * 201),
        ],
    )  # fmt: skip
    def test_is_refused_with_a_value_that_does_not_suit_it(self, op: str, value: Any) -> None:
        with pytest.raises(InvalidInput) as refused:
            compile_rule(document("deny", {"any": [leaf("args.x", op, value)]}))
        places = {error["at"] for error in refused.value.errors}
        assert places <= {"/when/any/0/value", "/when/any/0/op", "/"}
        assert places

    def test_of_an_expression_takes_time_linear_in_the_text(self) -> None:
        assert told(leaf("args.x", "matches", "^(a+)+$"), {"x": "a" * 20_000 + "!"[:0]}) is True
        assert told(leaf("args.x", "matches", "^(a+)+$"), {"x": "a" * 19_999 + "!"}) is False


YES, NO, CANNOT_TELL = (leaf("args.x", op, 1) for op in ("eq", "ne", "has"))


class TestTree:
    @pytest.mark.parametrize(
        ("condition", "says"),
        [
            ({"all": [YES, YES]}, True),
            ({"all": [YES, NO]}, False),
            ({"all": [YES, CANNOT_TELL]}, None),
            ({"all": [CANNOT_TELL, NO]}, False),
            ({"any": [NO, YES]}, True),
            ({"any": [NO, NO]}, False),
            ({"any": [NO, CANNOT_TELL]}, None),
            ({"any": [CANNOT_TELL, YES]}, True),
            ({"not": NO}, True),
            ({"not": CANNOT_TELL}, None),
            ({"not": {"any": [NO, {"all": [YES, {"not": NO}]}]}}, False),
        ],
    )
    def test_is_three_valued(self, condition: Any, says: bool | None) -> None:
        assert told(condition, {"x": 1}) is says

    @pytest.mark.parametrize(
        ("condition", "at"),
        [
            ({}, "/when"),
            ([], "/when"),
            ({"all": []}, "/when/all"),
            ({"all": [YES], "any": [YES]}, "/when"),
            ({"path": "args.x"}, "/when"),
            ({"path": "args.x", "op": "eq"}, "/when/value"),
            ({"path": "args.x", "op": "eq", "value": 1, "also": 1}, "/when"),
            ({"any": [YES, {"not": leaf("user.group", "has", "a")}]}, "/when/any/1/not/path"),
            (leaf("nobody.knows", "eq", 1), "/when/path"),
            (leaf("args", "exists"), "/when/path"),
            (leaf("args..x", "exists"), "/when/path"),
            (leaf("user.groups", "gt", 5), "/when/op"),
            (leaf("tool.name", "eq", 5), "/when/value"),
            ({"all": [YES] * 61}, "/when"),
            ({"not": {"not": {"not": {"not": {"not": {"not": YES}}}}}}, "/when/not/not/not/not/not/not"),
        ],
    )
    def test_with_a_mistake_is_refused_naming_its_place(self, condition: Any, at: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            compile_rule(document("deny", condition))
        assert at in {error["at"] for error in refused.value.errors}


class TestTrouble:
    def test_counts_against_the_call(self) -> None:
        missing = leaf("args.nothing", "gt", 5)
        effects = {
            RuleEffect.ALLOW: RuleEffect.DENY,
            RuleEffect.DENY: RuleEffect.DENY,
            RuleEffect.REQUIRE_APPROVAL: RuleEffect.DENY,
        }
        for effect, outcome in effects.items():
            known: dict[str, Any] = {"args": {}}
            found = ask(REFUND, [rule(effect, missing)], known, now=NOW, read_only_may=True)
            assert found.effect is outcome
            assert found.errors == ("a-rule: args.nothing is not there",)

    def test_lets_an_allow_not_match_and_every_other_rule_match(self) -> None:
        allow = rule("allow", slug="allow-all")
        missing = leaf("args.nothing", "gt", 5)
        for effect in ("deny", "require_approval", "allow"):
            known: dict[str, Any] = {"args": {}}
            rules = [allow, rule(effect, missing, slug="unsure")]
            found = ask(REFUND, rules, known, now=NOW, read_only_may=True)
            assert ("unsure" in [each.rule.id for each in found.matched]) is (effect != "allow")
            assert found.effect == effect
