"""What information flow makes of a call, beside everything else that the gate asks."""

from dataclasses import replace
from typing import Any

import pytest

from governance.flow.judgement import judge
from governance.policies.combination import combine
from governance.types import Effect, EffectClass, Opinion, PolicyRequest, Reason, Risk
from tests.governance.samples import approval, refund

PERMIT = Opinion(effect=Effect.PERMIT, reasons=(Reason(code="x", message="x", rule="x"),))
OPEN = {"endorsed": False, "objection": "", "arguments": [{"pointer": "/amount", "endorsed": False}]}


def request(*, flow: Any = None, risk: Risk = Risk.LOW, **facts: Any) -> PolicyRequest:
    """Return a call of a low-risk tool by a run that has read a web page."""
    return replace(refund(risk=risk, **facts), influence=("read_page",), flow=flow)


class TestJudge:
    @pytest.mark.parametrize("risk", list(Risk))
    def test_asks_a_person_whatever_the_tier(self, risk: Risk) -> None:
        verdict = combine(
            [PERMIT, judge(request(flow=OPEN, risk=risk), enforced=True)], approval=None, digest=""
        )
        assert verdict.effect is Effect.REQUIRE_APPROVAL
        assert verdict.requirement is not None
        assert verdict.requirement.approvals == 1
        assert list(Risk).index(verdict.requirement.risk) >= list(Risk).index(Risk.HIGH)
        assert not verdict.requirement.may_pass_unopposed
        assert "/amount" in verdict.reasons[0].message

    def test_asks_where_nobody_followed_the_flow(self) -> None:
        assert judge(request(), enforced=True).effect is Effect.REQUIRE_APPROVAL

    def test_says_nothing_of_a_call_that_is_accounted_for(self) -> None:
        assert judge(request(flow={"endorsed": True}), enforced=True) == Opinion()

    def test_says_nothing_of_reading(self) -> None:
        assert judge(request(effect=EffectClass.READ), enforced=True) == Opinion()

    def test_says_nothing_before_anything_was_read(self) -> None:
        assert judge(replace(request(), influence=()), enforced=True) == Opinion()

    def test_forgets_what_was_endorsed_when_the_arguments_change(self) -> None:
        changed = request(flow={"endorsed": True}).with_arguments({"amount": 1})
        assert judge(changed, enforced=True).effect is Effect.REQUIRE_APPROVAL

    def test_takes_the_approval_of_a_person_but_not_their_silence(self) -> None:
        call = request(flow=OPEN)
        opinions, digest = [PERMIT, judge(call, enforced=True)], call.digest()
        given = approval("rita", request=call)
        assert combine(opinions, approval=given, digest=digest).effect is Effect.PERMIT
        silence = replace(given, unopposed=True)
        assert combine(opinions, approval=silence, digest=digest).effect is Effect.DENY

    def test_switched_off_says_so_in_the_decision(self) -> None:
        opinion = judge(request(flow=OPEN), enforced=False)
        assert opinion.effect is None
        assert opinion.obligations[0]["type"] == "information-flow-off"
