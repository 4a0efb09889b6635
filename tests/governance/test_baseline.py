"""The baseline rules, as a table: deny beats approval, approval beats permit, nothing permits by default."""

from collections.abc import Sequence

import pytest

from governance.policies.baseline import APPROVALS_BY_RISK, Facts
from governance.policies.combination import Verdict
from governance.types import Approval, Effect, PolicyRequest, Risk
from tests.governance.samples import REFUND, approval, judged, refund

NO_PROBLEMS: Sequence[dict[str, str]] = ()
BAD_AMOUNT = ({"at": "/amount", "message": "-1 is too small"},)


def judge(
    request: PolicyRequest = REFUND,
    *,
    user: bool = True,
    agent: bool = True,
    problems: Sequence[dict[str, str]] = NO_PROBLEMS,
    approved: Approval | None = None,
) -> Verdict:
    facts = Facts(user_may=user, agent_may=agent, argument_problems=problems)
    return judged(request, facts, approval=approved)


class TestDeny:
    @pytest.mark.parametrize(
        ("verdict", "codes"),
        [
            (judge(user=False), ["user-not-permitted"]),
            (judge(agent=False), ["agent-not-permitted"]),
            (judge(refund(enabled=False)), ["tool-disabled"]),
            (judge(problems=BAD_AMOUNT), ["invalid-arguments"]),
            (judge(user=False, agent=False), ["user-not-permitted", "agent-not-permitted"]),
            (
                judge(refund(enabled=False), user=False, agent=False, problems=BAD_AMOUNT * 2),
                ["tool-disabled", "user-not-permitted", "agent-not-permitted"] + ["invalid-arguments"] * 2,
            ),
        ],
    )
    def test_names_every_reason(self, verdict: Verdict, codes: list[str]) -> None:
        assert verdict.effect is Effect.DENY
        assert [reason.code for reason in verdict.reasons] == codes
        assert verdict.requirement is None

    @pytest.mark.parametrize("risk", Risk)
    def test_wins_over_an_approval_at_every_tier(self, risk: Risk) -> None:
        request = refund(risk=risk)
        approved = approval("alice", "bob", "rita", request=request)
        assert judge(request, agent=False, approved=approved).effect is Effect.DENY
        assert judge(request, problems=BAD_AMOUNT, approved=approved).effect is Effect.DENY

    def test_tells_who_may_not_use_what_and_where_the_arguments_are_wrong(self) -> None:
        verdict = judge(user=False, agent=False, problems=BAD_AMOUNT)
        assert [reason.message for reason in verdict.reasons] == [
            "oscar may not use refund_order.",
            "The agent Support assistant may not use refund_order.",
            "Argument /amount: -1 is too small.",
        ]


class TestTiers:
    @pytest.mark.parametrize(
        ("risk", "people"), [(Risk.LOW, 0), (Risk.MEDIUM, 1), (Risk.HIGH, 1), (Risk.CRITICAL, 2)]
    )
    def test_ask_this_many_people(self, risk: Risk, people: int) -> None:
        verdict = judge(refund(risk=risk, reversible=True))
        if people:
            assert verdict.effect is Effect.REQUIRE_APPROVAL
            assert verdict.requirement is not None
            assert (verdict.requirement.approvals, verdict.requirement.risk) == (people, risk)
        else:
            assert verdict.effect is Effect.PERMIT

    def test_cover_every_risk(self) -> None:
        assert set(APPROVALS_BY_RISK) == set(Risk)


class TestApproval:
    @pytest.mark.parametrize(
        ("risk", "approvers", "effect"),
        [
            (Risk.MEDIUM, ("bob",), Effect.PERMIT),
            (Risk.HIGH, ("bob",), Effect.PERMIT),
            (Risk.HIGH, (), Effect.DENY),
            (Risk.CRITICAL, (), Effect.DENY),
            (Risk.CRITICAL, ("bob",), Effect.DENY),
            (Risk.CRITICAL, ("bob", "rita"), Effect.PERMIT),
        ],
    )
    def test_counts(self, risk: Risk, approvers: tuple[str, ...], effect: Effect) -> None:
        request = refund(risk=risk)
        assert judge(request, approved=approval(*approvers, request=request)).effect is effect

    def test_of_another_action_is_denied(self) -> None:
        other = REFUND.with_arguments({"order_id": "A-1001", "amount": 26.0})
        verdict = judge(approved=approval("bob", request=other))
        assert (verdict.effect, verdict.reasons[0].code) == (Effect.DENY, "digest-mismatch")

    def test_without_a_digest_is_denied(self) -> None:
        assert judge(approved=approval("bob", digest="")).effect is Effect.DENY

    def test_names_the_approvers(self) -> None:
        assert judge(approved=approval("bob", "rita")).reasons[0].message == "Approved by bob, rita."
