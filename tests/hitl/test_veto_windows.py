"""A medium call runs at the end of its veto window unless somebody objects, and somebody answers for it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from agents.tools.models import Tool
from governance import gate
from governance.access.models import User
from governance.audit.models import AuditEvent
from governance.policies.models import RiskThreshold
from governance.types import Effect
from hitl.reviews import operations
from hitl.reviews.deadlines import on_expiry, on_veto_end
from hitl.reviews.models import Review, ReviewTier
from hitl.reviews.operations import ApprovalNotUsable, consume
from hitl.reviews.types import ReviewRequest
from tenants.kernel.context import platform_context
from tenants.timers.models import Timer
from tests.governance.samples import NOW, proposal
from tests.hitl.conftest import TTL

Open = Callable[..., Review]
Say = Callable[..., Review]
WINDOW = timedelta(minutes=5)
END = NOW + WINDOW
KINDS = ("review.veto", "review.expire")


@pytest.fixture
def medium(open_review: Open) -> Open:
    """Return a function that opens a review of a medium call which can be undone."""

    def make(**values: Any) -> Review:
        return open_review(**{"risk": "medium", "reversible": True, **values})

    return make


def end(review: Review, at: datetime = END) -> Review:
    """Let the timer of the window be due."""
    on_veto_end(review.pk, 0, at)
    return Review.objects.get(pk=review.pk)


def timers(review: Review) -> dict[str, datetime]:
    with platform_context():
        return dict(Timer.objects.filter(object_id=review.pk, kind__in=KINDS).values_list("kind", "due_at"))


class TestOpens:
    def test_for_a_medium_call_that_can_be_undone(self, medium: Open, alice: Any) -> None:
        review = medium()
        assert (review.risk, review.veto_until, review.owner) == ("medium", END, alice)
        assert review.reason == "refund_order is a medium-risk tool: people may object before it runs."
        assert timers(review) == {"review.veto": END, "review.expire": NOW + TTL}

    @pytest.mark.parametrize("values", [{"reversible": False}, {"risk": "high"}, {"risk": "critical"}])
    def test_for_no_other(self, medium: Open, values: dict[str, Any]) -> None:
        review = medium(**values)
        assert review.veto_until is None
        assert set(timers(review)) == {"review.expire"}
        assert end(review).status == "pending"

    def test_not_after_the_run_has_read_what_outsiders_wrote(
        self, medium: Open, agent: Any, oscar: Any
    ) -> None:
        medium()
        request = replace(proposal(agent=agent, user=oscar), influence=("fetch",))
        asked = ReviewRequest(decision=gate.authorize(request, now=NOW), evidence={}, expires_at=NOW + TTL)
        review = operations.request_review(request=asked, now=NOW)
        assert (review.risk, review.veto_until) == ("high", None)
        assert [fact["code"] for fact in review.facts] == ["approval-required", "untrusted-influence"]

    def test_not_from_a_threshold_on(self, medium: Open, person: Any) -> None:
        RiskThreshold.objects.create(
            tool="refund_order", argument="amount", at_least=25, risk="high", author=person("vera")
        )
        review = medium()
        assert (review.risk, review.veto_until) == ("high", None)

    @pytest.mark.parametrize(("seconds", "window"), [(0, None), (30, timedelta(seconds=30))])
    def test_for_as_long_as_the_tenant_says(
        self, medium: Open, seconds: int, window: timedelta | None
    ) -> None:
        ReviewTier.objects.create(risk="medium", veto_window_s=seconds)
        assert medium().veto_until == (window and NOW + window)


class TestEndsWithoutAnObjection:
    def test_and_lets_the_call_run_in_the_owners_name(self, medium: Open, alice: Any) -> None:
        review = end(medium())
        vote = review.votes.get()
        assert (review.status, review.decided_at) == ("approved", END)
        assert (vote.kind, vote.reviewer, vote.at) == ("window", alice, END)
        assert "alice answers for it" in vote.message
        event = AuditEvent.objects.get(action="review.window", subject_id=str(review.pk))
        assert (event.actor_kind, event.body["accountable"], event.outcome) == ("system", "alice", "approved")

    def test_once(self, medium: Open) -> None:
        review = end(medium())
        assert on_veto_end(review.pk, 0, END) is None
        assert review.votes.count() == 1

    def test_and_not_a_moment_before(self, medium: Open) -> None:
        review = medium()
        before = END - timedelta(microseconds=1)
        assert on_veto_end(review.pk, 0, before) == END
        assert Review.objects.get(pk=review.pk).status == "pending"

    def test_is_no_approval_by_a_person(self, medium: Open) -> None:
        review = end(medium())
        approval = consume(review_id=review.pk, digest=review.digest, now=END)
        assert (approval.unopposed, approval.approvers) == (True, ("alice",))
        decision = gate.authorize(review.policy_request, now=END, approval=approval)
        assert (decision.effect, decision.reasons[0].code) == (Effect.PERMIT, "unopposed")

    @pytest.mark.parametrize("riskier", ["tool", "declaration", "threshold", "influence"])
    def test_lets_nothing_run_that_has_become_riskier(self, medium: Open, person: Any, riskier: str) -> None:
        review = end(medium())
        approval = consume(review_id=review.pk, digest=review.digest, now=END)
        request = review.policy_request
        match riskier:
            case "tool":
                Tool.objects.filter(name="refund_order").update(risk="high")
            case "declaration":
                Tool.objects.filter(name="refund_order").update(reversible=False)
            case "threshold":
                RiskThreshold.objects.create(
                    tool="*", argument="amount", at_least=1, risk="high", author=person("vera")
                )
            case "influence":
                request = replace(request, influence=("fetch",))
        request = replace(request, tool=Tool.objects.get(name="refund_order").ref())
        decision = gate.authorize(request, now=END, approval=approval)
        assert (decision.effect, decision.reasons[0].code) == (Effect.DENY, "needs-a-person")

    def test_is_worth_nothing_once_the_owner_is_gone(self, medium: Open, alice: Any) -> None:
        review = end(medium())
        User.objects.filter(pk=alice.pk).update(is_active=False)
        with pytest.raises(ApprovalNotUsable) as raised:
            consume(review_id=review.pk, digest=review.digest, now=END)
        assert raised.value.data["reason"] == "reviewer_no_longer_eligible"


class TestAsksPeople:
    """The window is over and nothing has run: people must decide."""

    def closed(self, review: Review) -> Review:
        review = end(review)
        assert (review.status, review.veto_until) == ("pending", None)
        return review

    @pytest.mark.parametrize("gone", ["inactive", "no-owner"])
    def test_when_nobody_answers_for_it(
        self, medium: Open, alice: Any, bob: Any, say: Say, gone: str
    ) -> None:
        review = medium()
        if gone == "inactive":
            User.objects.filter(pk=alice.pk).update(is_active=False)
        else:
            Review.objects.filter(pk=review.pk).update(owner=None)
        self.closed(review)
        assert AuditEvent.objects.filter(action="review.window-closed", subject_id=str(review.pk)).exists()
        assert say(review, bob).status == "approved"

    def test_after_a_question(self, medium: Open, bob: Any, say: Say) -> None:
        review = medium()
        say(review, bob, "request_info", message="Why?")
        self.closed(review)

    def test_after_an_edit(self, medium: Open, bob: Any, say: Say) -> None:
        review = medium()
        say(review, bob, "edit", arguments={**review.arguments, "amount": 1.0})
        self.closed(review)

    def test_after_one_rejection_of_several_that_would_close_it(
        self, medium: Open, bob: Any, rita: Any, person: Any, say: Say
    ) -> None:
        from hitl.reviews.models import ReviewPlan

        patient = {"stages": [{"name": "one", "any_of": [{"approve": 1, "reject": 2}]}]}
        ReviewPlan.objects.create(name="patient", document=patient, author=person("vera"))
        review = medium()
        assert say(review, bob, "reject", message="no").status == "pending"
        self.closed(review)

    @pytest.mark.parametrize("verb", ["reject", "feedback", "cancel_run"])
    def test_never_after_an_objection(self, medium: Open, bob: Any, say: Say, verb: str) -> None:
        review = say(medium(), bob, verb, message="no")
        before = review.status
        assert on_veto_end(review.pk, 0, END) is None
        assert Review.objects.get(pk=review.pk).status == before != "approved"

    def test_not_where_somebody_approved_before_its_end(self, medium: Open, bob: Any, say: Say) -> None:
        review = say(medium(), bob)
        assert review.status == "approved"
        end(review)
        assert review.votes.get().kind == "person"


class TestExpiry:
    def test_is_due_and_then_over(self, review: Review) -> None:
        assert on_expiry(review.pk, 0, NOW) == NOW + TTL
        assert on_expiry(review.pk, 0, NOW + TTL) is None
        assert Review.objects.get(pk=review.pk).status == "expired"
        assert on_expiry(review.pk, 0, NOW + TTL) is None

    def test_comes_when_the_tenant_says_but_no_later_than_asked(self, open_review: Open) -> None:
        ReviewTier.objects.create(risk="high", expires_after_s=600)
        assert open_review().expires_at == NOW + timedelta(minutes=10)
        ReviewTier.objects.update(expires_after_s=86_400)
        assert open_review().expires_at == NOW + TTL
