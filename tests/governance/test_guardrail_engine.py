"""Looking through JSON values: every text, names and numbers too; taking out; and failing closed."""

from typing import Any

import pytest

from governance.guardrails import engine, judge
from governance.guardrails.engine import MAX_CHARACTERS, Guardrails, Screening
from governance.guardrails.registry import REGISTRY
from governance.guardrails.types import Action, Rule, Stage
from governance.types import Effect
from tests.governance.samples import REFUND

CARD = "4111 1111 1111 1111"


def guardrails(*rules: tuple[str, Action], config: dict[str, Any] | None = None, **values: Any) -> Guardrails:
    bound = tuple(
        (
            Rule(
                **{
                    "id": str(n),
                    "name": f"rule {n}",
                    "stage": Stage.ARGUMENTS,
                    "check": check,
                    "action": action,
                    "threshold": 0.5,
                    **values,
                }
            ),
            REGISTRY.get(check)(config or {}),
        )
        for n, (check, action) in enumerate(rules)
    )
    return Guardrails(bound=bound, salt=b"salt")


def screened(value: Any, *rules: tuple[str, Action], **values: Any) -> Screening:
    return guardrails(*rules, **values).screen(value, Stage.ARGUMENTS, agent="any", tool="any")


class TestScreening:
    def test_points_to_each_place_in_a_nested_value(self) -> None:
        value = {"to": ["x", {"a/b": f"my card {CARD}"}], CARD: 4111111111111111}
        found = {(h.finding.pointer, h.finding.is_name) for h in screened(value, ("pii", Action.LOG)).hits}
        assert found == {("/to/1/a~1b", False), (f"/{CARD}", True), (f"/{CARD}", False)}

    def test_takes_out_texts_names_and_numbers(self) -> None:
        value = {"to": [f"my card {CARD}!"], CARD: 4111111111111111}
        left = screened(value, ("pii", Action.REDACT))
        assert "4111" not in str(left.value)
        assert left.value["to"][0].endswith("!")
        assert {item.text for item in left.removed} == {CARD, "4111111111111111"}

    def test_gives_the_same_text_the_same_token_and_another_tenant_another(self) -> None:
        first = screened([CARD, CARD], ("pii", Action.REDACT))
        assert first.value[0] == first.value[1]
        other = Guardrails(bound=guardrails(("pii", Action.REDACT)).bound, salt=b"other")
        assert other.screen([CARD], Stage.ARGUMENTS, agent="a", tool="b").value[0] != first.value[0]

    def test_finds_nothing_in_what_it_left(self) -> None:
        rules = (("pii", Action.REDACT), ("secrets", Action.REDACT))
        once = screened({"api_key": f"ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8 {CARD}"}, *rules)
        assert once.removed and not screened(once.value, *rules).hits

    def test_is_not_fooled_by_a_token_that_hides_something(self) -> None:
        assert screened(f"[PII:x:{CARD}]", ("pii", Action.LOG)).hits

    def test_of_a_value_too_large_or_too_deep_counts_as_found_and_blocks(self) -> None:
        deep: Any = "x"
        for _ in range(1000):
            deep = [deep]
        for value in ("x" * (MAX_CHARACTERS + 1), deep):
            assert screened(value, ("pii", Action.REDACT)).action is Action.BLOCK

    def test_survives_halves_of_pairs_and_odd_values(self) -> None:
        value: dict[str, Any] = {"a": "\ud800" + CARD, "b": None, "c": True, "d": 1.5, "e": []}
        left = screened(value, ("pii", Action.REDACT)).value
        assert left["a"].startswith("\ud800[PII:") or left["a"].startswith("\ufffd[PII:")
        assert (left["b"], left["c"], left["d"], left["e"]) == (None, True, 1.5, [])

    def test_leaves_findings_under_the_threshold_alone(self) -> None:
        assert not screened(
            f"card {CARD}", ("pii", Action.LOG), threshold=1.0, config={"labels": ["EMAIL_ADDRESS"]}
        ).hits

    def test_takes_overlapping_findings_out_as_one(self) -> None:
        left = screened(f"card {CARD} x", ("pii", Action.REDACT), ("length", Action.REDACT), config=None)
        assert "1111" not in left.value

    def test_never_tells_what_it_found(self) -> None:
        seen = screened({"a": CARD}, ("pii", Action.BLOCK))
        assert CARD not in str(seen.told()) + seen.words(Action.BLOCK)

    def test_restores_what_was_taken_out(self) -> None:
        seen = screened({"a": [f"x {CARD}"]}, ("pii", Action.REDACT))
        originals = {item.token: item.text for item in seen.removed}
        assert engine.restored(seen.value, originals) == {"a": [f"x {CARD}"]}
        assert engine.tokens_in(seen.value) == set(originals)


class TestJudge:
    def opinion(self, action: Action) -> Any:
        request = REFUND.with_arguments({"order_id": CARD, "amount": 5})
        return judge.judge(request, judge.look(request, guardrails(("pii", action))))

    @pytest.mark.parametrize(
        ("action", "effect"),
        [
            (Action.BLOCK, Effect.DENY),
            (Action.REQUIRE_APPROVAL, Effect.REQUIRE_APPROVAL),
            (Action.REDACT, None),
            (Action.LOG, None),
        ],
    )
    def test_turns_findings_into_an_effect(self, action: Action, effect: Effect | None) -> None:
        opinion = self.opinion(action)
        assert opinion.effect is effect
        assert opinion.findings
        assert (opinion.arguments is not None) == (action is Action.REDACT)

    def test_has_nothing_to_say_where_nothing_is_found(self) -> None:
        said = judge.judge(REFUND, judge.look(REFUND, guardrails(("pii", Action.BLOCK))))
        assert (said.effect, said.findings) == (None, ())


class TestMany:
    @staticmethod
    def cards(count: int) -> list[str]:
        return [f"{n} then {CARD}" for n in range(count)]

    def test_findings_are_all_taken_out_although_few_are_told(self) -> None:
        seen = screened(self.cards(120), ("pii", Action.REDACT))
        assert CARD not in str(seen.value)
        assert len(seen.told()) == engine.MAX_TOLD

    def test_more_than_can_be_taken_out_are_blocked(self) -> None:
        assert screened(self.cards(engine.MAX_TAKEN + 1), ("pii", Action.REDACT)).action is Action.BLOCK
