"""A plan's document: every mistake is named where it is, and lines say the same as JSON."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.reviews.quorum import (
    EXCLUSIONS,
    MAX_WAYS,
    SEQUENTIAL,
    Ballot,
    Outcome,
    Plan,
    Rule,
    Stage,
    Verdict,
    problems,
    resolve,
)
from hitl.reviews.rules.lines import in_words, parse, text_of
from tenants.kernel.errors import InvalidInput

PEER = {"name": "peer", "any_of": [{"approve": 1, "reject": 1, "where": "'payments' in reviewer.groups"}]}
CONTROL = {
    "name": "control",
    "any_of": [
        {"approve": 2, "reject": 1, "where": "'risk' in reviewer.groups"},
        {"approve": 1, "reject": 1, "where": "'cro' in reviewer.groups"},
    ],
}
FULL = {
    "stages": [PEER, CONTROL],
    "order": "parallel",
    "exclude": ["initiator", "delegator", "last_editor", "rule_author"],
    "min_distinct": 3,
    "human_only": True,
}


def with_rule(**rule: Any) -> dict[str, Any]:
    return {"stages": [{"name": "a", "any_of": [{"approve": 1, **rule}]}]}


def stages(*ways: int) -> dict[str, Any]:
    rules = [[{"approve": 1}] * number for number in ways]
    return {"stages": [{"name": f"s{n}", "any_of": any_of} for n, any_of in enumerate(rules)]}


ODD: dict[str, list[Any]] = {
    "where": [1, None, [], "True", "x("],
    "order": ["both", None, [], {}, 1],
    "exclude": ["initiator", None, ["nobody"], [[]], [], ["last_editor"]],
}


class TestProblems:
    @pytest.mark.parametrize(
        "document", [FULL, with_rule(), {**FULL, "order": "sequential"}, stages(6, 6, 6)]
    )
    def test_are_none(self, document: dict[str, Any]) -> None:
        assert problems(document) == []

    @pytest.mark.parametrize(
        ("document", "at"),
        [
            (None, "/"),
            ([], "/"),
            ("stages", "/"),
            ({}, "/stages"),
            ({"stages": []}, "/stages"),
            ({"stages": {}}, "/stages"),
            ({"stages": [PEER] * 7}, "/stages"),
            (stages(6, 6, 6, 2), "/stages"),
            ({"stages": [None]}, "/stages/0"),
            ({"stages": [{"name": "a"}]}, "/stages/0"),
            ({"stages": [{**PEER, "more": 1}]}, "/stages/0"),
            ({"stages": [{**PEER, "name": ""}]}, "/stages/0/name"),
            ({"stages": [{**PEER, "name": "a/b"}]}, "/stages/0/name"),
            ({"stages": [{**PEER, "name": 1}]}, "/stages/0/name"),
            ({"stages": [PEER, PEER]}, "/stages/1/name"),
            ({"stages": [{"name": "a", "any_of": []}]}, "/stages/0/any_of"),
            ({"stages": [{"name": "a", "any_of": {}}]}, "/stages/0/any_of"),
            ({"stages": [{"name": "a", "any_of": [{"approve": 1}] * 7}]}, "/stages/0/any_of"),
            ({"stages": [{"name": "a", "any_of": [1]}]}, "/stages/0/any_of/0"),
            (with_rule(more=1), "/stages/0/any_of/0"),
            *((with_rule(approve=value), "/stages/0/any_of/0/approve") for value in (0, -1, 11, "1", 1.0, True, None)),
            *((with_rule(reject=value), "/stages/0/any_of/0/reject") for value in (-1, 11, "1", True, None)),
            (with_rule(reject=0), "/stages/0/any_of"),
            *((with_rule(where=value), "/stages/0/any_of/0/where") for value in ODD["where"]),
            *(({**FULL, "order": value}, "/order") for value in ODD["order"]),
            *(({**FULL, "exclude": value}, "/exclude") for value in ODD["exclude"]),
            *(({**FULL, "min_distinct": value}, "/min_distinct") for value in (0, 11, "1", True, None)),
            *(({**FULL, "human_only": value}, "/human_only") for value in (1, "yes", None)),
            *(({**FULL, "allow_overlap": value}, "/allow_overlap") for value in (0, "no", None)),
            *(({**FULL, name: 1}, f"/{name}") for name in ("excluded", "editor", "feedback_left", "name")),
        ],
    )  # fmt: skip
    def test_say_where(self, document: Any, at: str) -> None:
        assert at in {one["at"] for one in problems(document)}
        assert all(one["message"] for one in problems(document))

    def test_name_each_mistake_at_once(self) -> None:
        found = problems(
            {"stages": [{"name": "", "any_of": [{"approve": 0, "reject": 99, "where": "x"}]}], "order": 1}
        )
        assert [one["at"] for one in found] == [
            "/stages/0/name", "/stages/0/any_of/0/approve", "/stages/0/any_of/0/reject", "/stages/0/any_of/0/where",
            "/order",
        ]  # fmt: skip

    json = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    )

    @given(
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("stages", "order", "exclude", "min_distinct", "human_only"), json)
        )
        | json
    )
    def test_are_found_in_whatever_is_sent(self, document: Any) -> None:
        for one in problems(document):
            assert set(one) == {"at", "message"}

    def test_leave_no_plan_that_takes_long_to_count(self) -> None:
        document = stages(6, 6, 6)
        for stage in document["stages"]:
            stage["any_of"] = [{"approve": 10, "where": ""}] * 6
        assert problems(document) == []
        plan = Plan.from_json(document)
        rules = tuple(rule.id for stage in plan.stages[:2] for rule in stage.any_of)
        ballots = [Ballot(reviewer_id=n, verdict=Verdict.APPROVE, digest="d", rules=rules) for n in range(30)]
        began = time.perf_counter()
        assert resolve(plan, ballots, digest="d") is Outcome.OPEN
        assert time.perf_counter() - began < 2
        assert MAX_WAYS == 6 * 6 * 6


names = st.text("abcxyz -", min_size=1, max_size=8).map(str.strip).filter(bool)
rule = st.fixed_dictionaries(
    {"approve": st.integers(1, 3), "reject": st.just(1)},
    optional={"where": names.map(lambda group: f"{group!r} in reviewer.groups") | st.just("")},
)
documents = st.fixed_dictionaries(
    {
        "stages": st.lists(
            st.fixed_dictionaries({"name": names, "any_of": st.lists(rule, min_size=1, max_size=3)}),
            min_size=1,
            max_size=3,
            unique_by=lambda stage: stage["name"],
        )
    },
    optional={
        "order": st.sampled_from(["parallel", "sequential"]),
        "exclude": st.just(["initiator"]) | st.just(list(EXCLUSIONS)),
        "min_distinct": st.integers(1, 4),
        "human_only": st.booleans(),
        "allow_overlap": st.booleans(),
        "excluded": st.dictionaries(st.integers(1, 9).map(str), st.text(max_size=5)),
        "editor": st.none() | st.integers(1, 9),
        "feedback_left": st.integers(0, 3),
    },
)


class TestJson:
    @given(documents)
    def test_restores_an_equal_plan(self, document: dict[str, Any]) -> None:
        plan = Plan.from_json(document)
        assert Plan.from_json(plan.to_json()) == plan

    def test_excludes_everybody_that_a_plan_does_not_speak_of(self) -> None:
        assert Plan.from_json(with_rule()).exclude == EXCLUSIONS
        assert Plan.from_json(with_rule()).human_only


class TestLines:
    def test_say_what_json_says(self) -> None:
        text = "peer: 1 of payments\ncontrol: 2 of risk or 1 of cro"
        assert parse(text) == FULL["stages"]
        assert text_of(FULL) == text
        assert parse("a: 3 of anybody") == [
            {"name": "a", "any_of": [{"approve": 3, "reject": 1, "where": ""}]}
        ]

    def test_take_groups_of_any_name(self) -> None:
        for group in ("Two or more", "it's", "a: b", "1 of us"):
            (stage,) = parse(f"peer: 1 of {group}")
            assert problems({"stages": [stage]}) == []
            assert (
                Plan.from_json({"stages": [stage]}).stages[0].any_of[0].where
                == f"{group!r} in reviewer.groups"
            )

    @pytest.mark.parametrize(
        "text", ["peer", "peer:", ": 1 of a", "peer: a", "peer: one of a", "peer: 1 of", "peer: 1 a"]
    )  # fmt: skip
    def test_that_are_not_understood_are_named(self, text: str) -> None:
        with pytest.raises(InvalidInput, match="Line 2"):
            parse(f"ok: 1 of anybody\n{text}")

    @given(documents)
    def test_read_back_what_they_can_say(self, document: dict[str, Any]) -> None:
        text = text_of(document)
        if text is not None:
            again = {**document, "stages": parse(text)}
            assert Plan.from_json(again) == Plan.from_json(document)

    @pytest.mark.parametrize("change", [{"reject": 2}, {"where": "reviewer.username == 'rita'"}])
    def test_leave_to_json_what_they_cannot_say(self, change: dict[str, Any]) -> None:
        assert text_of(with_rule(**change)) is None


class TestWords:
    def test_say_a_plan_in_one_sentence(self) -> None:
        plan = Plan.from_json({**FULL, "min_distinct": 1})
        assert in_words(plan) == "Stage peer: 1 of 'payments'; and stage control: 2 of 'risk' or 1 of 'cro'"
        assert in_words(Plan.from_json({**FULL, "order": SEQUENTIAL, "min_distinct": 4})) == (
            "Stage peer: 1 of 'payments'; then stage control: 2 of 'risk' or 1 of 'cro'; 4 people in all"
        )
        assert in_words(Plan.simple(2)) == "Stage approval: 2 of those who decide reviews"
        odd = Rule(id="a/1", approve=1, reject=1, where="reviewer.username == 'rita'")
        plan = Plan(stages=(Stage(name="a", any_of=(odd,)),))
        assert in_words(plan) == "Stage a: 1 of those for whom their name == 'rita'"
