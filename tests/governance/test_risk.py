"""How risky a call is: its tool, what its arguments amount to, and what its run has read."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from governance import gate
from governance.policies.baseline import Facts
from governance.policies.models import RiskThreshold
from governance.policies.risk import Threshold, assess
from governance.types import Approval, Effect, EffectClass, PolicyRequest, Risk
from tests.governance.samples import NOW, REFUND, approval, judged, proposal, refund

LOW, MEDIUM, HIGH, CRITICAL = Risk
UNDOABLE = refund(risk=MEDIUM, reversible=True)


def threshold(at_least: str = "100", risk: Risk = CRITICAL, *, tool: str = "refund_order", argument: str = "amount",
              author: int = 7) -> Threshold:  # fmt: skip
    return Threshold(tool=tool, argument=argument, at_least=Decimal(at_least), risk=risk, author_id=author)


class TestThreshold:
    @pytest.mark.parametrize(
        ("amount", "risk"),
        [
            (99.99, HIGH),
            (100, CRITICAL),
            (100.0, CRITICAL),
            (100.01, CRITICAL),
            (-500, HIGH),
            (0, HIGH),
            (10**15, CRITICAL),
            ("50", CRITICAL),
            ("many", CRITICAL),
            (None, CRITICAL),
            (True, CRITICAL),
            ([], CRITICAL),
        ],
    )
    def test_applies_from_its_amount_on_and_to_what_is_no_number(self, amount: Any, risk: Risk) -> None:
        request = REFUND.with_arguments({"amount": amount})
        assert assess(request, [threshold()]).risk is risk

    def test_applies_where_its_argument_is_missing(self) -> None:
        found = assess(REFUND.with_arguments({}), [threshold()])
        assert (found.risk, found.facts[0].message) == (
            CRITICAL,
            "amount is not among the arguments: the risk is critical.",
        )

    @pytest.mark.parametrize(
        ("arguments", "risk"),
        [
            ({"order": {"total": 100}}, CRITICAL),
            ({"order": {"total": 1}}, HIGH),
            ({"order": {}}, CRITICAL),
            ({"order": [100]}, CRITICAL),
            ({"order.total": 1}, CRITICAL),
        ],
    )
    def test_reads_members_of_members(self, arguments: dict[str, Any], risk: Risk) -> None:
        assert assess(REFUND.with_arguments(arguments), [threshold(argument="order.total")]).risk is risk

    @pytest.mark.parametrize(
        ("tool", "risk"),
        [
            ("refund_order", CRITICAL),
            ("refund_*", CRITICAL),
            ("*", CRITICAL),
            ("refund", HIGH),
            ("REFUND_*", HIGH),
            ("send_*", HIGH),
        ],
    )
    def test_is_for_tools_of_a_name_or_pattern(self, tool: str, risk: Risk) -> None:
        assert assess(REFUND, [threshold("1", tool=tool)]).risk is risk

    def test_never_lowers_a_risk(self) -> None:
        found = assess(REFUND, [threshold("1", MEDIUM)])
        assert (found.risk, found.facts, found.authors) == (HIGH, (), ())

    def test_names_what_raised_it_and_who_wrote_that(self) -> None:
        found = assess(refund(risk=LOW), [threshold("1", HIGH, author=7), threshold("2", CRITICAL, author=8)])
        assert (found.risk, found.authors) == (CRITICAL, (7, 8))
        assert [fact.message for fact in found.facts] == [
            "amount is 25.0, from 1 on: the risk is high.",
            "amount is 25.0, from 2 on: the risk is critical.",
        ]


class TestMedium:
    @pytest.mark.parametrize(
        ("change", "risk", "code"),
        [
            ({}, MEDIUM, ""),
            ({"reversible": False}, HIGH, "irreversible"),
            ({"reversible": False, "effect": EffectClass.READ}, MEDIUM, ""),
            ({"reversible": False, "effect": EffectClass.IDEMPOTENT}, HIGH, "irreversible"),
        ],
    )
    def test_counts_as_high_when_it_cannot_be_undone(
        self, change: dict[str, Any], risk: Risk, code: str
    ) -> None:
        found = assess(refund(**{"risk": MEDIUM, "reversible": True, **change}), ())
        assert (found.risk, "".join(fact.code for fact in found.facts)) == (risk, code)

    @pytest.mark.parametrize(
        ("effect", "risk"), [(EffectClass.NON_IDEMPOTENT, HIGH), (EffectClass.READ, MEDIUM)]
    )
    def test_counts_as_high_after_the_run_has_read_what_outsiders_wrote(
        self, effect: EffectClass, risk: Risk
    ) -> None:
        tool = replace(UNDOABLE.tool, effect=effect)
        request = replace(UNDOABLE, tool=tool, influence=("read_mail", "fetch"))
        assert assess(request, ()).risk is risk

    def test_says_so_itself_where_every_argument_is_accounted_for(self) -> None:
        request = replace(UNDOABLE, influence=("read_mail", "fetch"), flow={"endorsed": True})
        assert "(read_mail, fetch)" in assess(request, ()).facts[0].message

    @pytest.mark.parametrize("risk", [LOW, HIGH, CRITICAL])
    def test_is_the_only_risk_that_counts_as_another(self, risk: Risk) -> None:
        request = replace(refund(risk=risk), influence=("read_mail",))
        assert assess(request, ()).risk is risk


def judge(
    request: PolicyRequest, approved: Approval | None = None, *thresholds: Threshold
) -> tuple[str, str]:
    facts = Facts(user_may=True, agent_may=True, argument_problems=(), thresholds=thresholds)
    verdict = judged(request, facts, approval=approved)
    return verdict.effect, verdict.reasons[0].code


class TestUnopposed:
    """Nobody objected in a veto window."""

    unopposed = replace(approval("alice", request=UNDOABLE), unopposed=True)

    def test_is_enough_for_medium_and_says_who_answers_for_it(self) -> None:
        assert judge(UNDOABLE, self.unopposed) == (Effect.PERMIT, "unopposed")

    def test_is_not_enough_once_the_call_is_riskier(self) -> None:
        refused = (Effect.DENY, "needs-a-person")
        assert judge(refund(risk=MEDIUM, reversible=False), self.unopposed) == refused
        assert judge(refund(risk=HIGH, reversible=True), self.unopposed) == refused
        assert judge(replace(UNDOABLE, influence=("fetch",)), self.unopposed) == refused
        assert judge(UNDOABLE, self.unopposed, threshold("1", HIGH)) == refused

    def test_is_offered_to_medium_alone(self) -> None:
        facts = Facts(user_may=True, agent_may=True, argument_problems=())
        for risk in (MEDIUM, HIGH, CRITICAL):
            request = refund(risk=risk, reversible=True)
            requirement = judged(request, facts).requirement
            assert requirement is not None
            assert requirement.may_pass_unopposed == (risk is MEDIUM)


class TestOfATenant:
    @pytest.fixture
    def rule(self, acme: Any, bob: Any) -> RiskThreshold:
        """Return Bob's threshold: refunds from 100 on are critical."""
        return RiskThreshold.objects.create(
            tool="refund_*", argument="amount", at_least=100, risk="critical", author=bob
        )

    def ask(self, agent: Any, oscar: Any, amount: float) -> tuple[int, Risk, tuple[int, ...]]:
        request = proposal(agent=agent, user=oscar, order_id="A-1001", amount=amount, reason="x")
        requirement = gate.authorize(request, now=NOW).requirement
        assert requirement is not None
        return requirement.approvals, requirement.risk, requirement.authors

    def test_decides_how_many_people_are_asked(
        self, rule: RiskThreshold, agent: Any, oscar: Any, bob: Any
    ) -> None:
        assert self.ask(agent, oscar, 99.0) == (1, HIGH, ())
        assert self.ask(agent, oscar, 100.0) == (2, CRITICAL, (bob.pk,))

    def test_is_out_of_force_when_disabled(self, rule: RiskThreshold, agent: Any, oscar: Any) -> None:
        RiskThreshold.objects.update(enabled=False)
        assert self.ask(agent, oscar, 100.0) == (1, HIGH, ())
