"""When an approval may be used, why not, how it is taken back, and how sure one must be of who gave it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from governance.audit.models import AuditEvent
from governance.types import Outcome
from hitl.reviews import operations
from hitl.reviews.models import Review, ReviewTier
from hitl.reviews.operations import EXECUTE_WITHIN, ApprovalNotUsable, AssuranceTooLow, consume, revoke
from hitl.reviews.types import Assurance
from tenants.kernel.errors import InvalidInput, NotFound, PermissionMissing, StaleTransition
from tenants.kernel.models import uuid7
from tests.governance.samples import NOW

Open = Callable[..., Review]
Say = Callable[..., Review]
HOUR = timedelta(hours=1)


@pytest.fixture
def approved(review: Review, bob: Any, say: Say) -> Review:
    """Return a review that Bob approved."""
    return say(review, bob)


def why_not(review: Review, *, digest: str = "", after: timedelta = timedelta(0)) -> str:
    with pytest.raises(ApprovalNotUsable) as raised:
        consume(review_id=review.pk, digest=digest or review.digest, now=NOW + after)
    return str(raised.value.data["reason"])


class TestWhyNot:
    def test_is_said(self, open_review: Open, bob: Any, rita: Any, say: Say) -> None:
        pending, rejected, expired, cancelled, revoked, used, late, early = (open_review() for _ in range(8))
        say(rejected, bob, "reject", message="no")
        operations.expire(review=expired, now=NOW)
        operations.cancel_for_run(run_id=cancelled.run_id, now=NOW)
        for review in (revoked, used, late):
            say(review, bob)
        say(early, bob, not_before=NOW + HOUR)
        revoke(review_id=revoked.pk, by=rita, message="no", now=NOW)
        consume(review_id=used.pk, digest=used.digest, now=NOW)
        assert why_not(pending) == why_not(rejected) == "not_approved"
        assert why_not(Review(pk=uuid7(), digest="0" * 64)) == "not_approved"
        assert why_not(expired) == "expired"
        assert why_not(cancelled) == "cancelled"
        assert why_not(revoked) == "revoked"
        assert why_not(used) == "already_claimed"
        assert why_not(early) == "too_early"
        assert why_not(late, digest="0" * 64) == "digest_mismatch"
        assert why_not(late, after=EXECUTE_WITHIN) == "expired"

    def test_is_that_the_approver_may_no_longer_decide(self, approved: Review, bob: Any) -> None:
        bob.groups.clear()
        assert why_not(approved) == "reviewer_no_longer_eligible"
        assert Review.objects.get(pk=approved.pk).consumed_at is None


class TestNotBefore:
    def test_holds_the_call_back_and_the_time_to_run_begins_then(
        self, review: Review, bob: Any, say: Say
    ) -> None:
        review = say(review, bob, not_before=NOW + HOUR)
        assert (review.not_before, review.execute_by) == (NOW + HOUR, NOW + HOUR + EXECUTE_WITHIN)
        assert why_not(review, after=HOUR - timedelta(microseconds=1)) == "too_early"
        consume(review_id=review.pk, digest=review.digest, now=NOW + HOUR)

    def test_is_the_latest_of_the_approvers_wishes(
        self, critical: Review, bob: Any, rita: Any, say: Say
    ) -> None:
        say(critical, bob, not_before=NOW + 2 * HOUR)
        assert say(critical, rita, not_before=NOW + HOUR).not_before == NOW + 2 * HOUR

    def test_in_the_past_changes_nothing(self, review: Review, bob: Any, say: Say) -> None:
        review = say(review, bob, not_before=NOW - HOUR)
        assert review.execute_by == NOW + EXECUTE_WITHIN
        consume(review_id=review.pk, digest=review.digest, now=NOW)

    def test_is_within_a_week(self, review: Review, bob: Any, say: Say) -> None:
        with pytest.raises(InvalidInput, match="7 days"):
            say(review, bob, not_before=NOW + timedelta(days=7, microseconds=1))
        assert Review.objects.get(pk=review.pk).status == "pending"


class TestRevoke:
    def test_takes_an_approval_back(self, approved: Review, rita: Any) -> None:
        revoked = revoke(review_id=approved.pk, by=rita, message="It was a mistake.", now=NOW)
        assert revoked.status == "revoked"
        event = AuditEvent.objects.get(action="review.revoked", subject_id=str(approved.pk))
        assert (event.actor_name, event.body["message"]) == ("rita", "It was a mistake.")

    def test_comes_too_late_once_it_was_used(self, approved: Review, rita: Any) -> None:
        consume(review_id=approved.pk, digest=approved.digest, now=NOW)
        with pytest.raises(StaleTransition):
            revoke(review_id=approved.pk, by=rita, message="x", now=NOW)
        assert Review.objects.get(pk=approved.pk).status == "approved"

    def test_needs_an_approval(self, review: Review, bob: Any) -> None:
        with pytest.raises(StaleTransition):
            revoke(review_id=review.pk, by=bob, message="x", now=NOW)
        with pytest.raises(NotFound):
            revoke(review_id=uuid7(), by=bob, message="x", now=NOW)

    @pytest.mark.parametrize("who", ["oscar", "alice", "vera", "charlie"])
    def test_is_for_those_who_may_decide_it(self, approved: Review, person: Any, who: str) -> None:
        with pytest.raises(PermissionMissing):
            revoke(review_id=approved.pk, by=person(who), message="x", now=NOW)
        assert Review.objects.get(pk=approved.pk).status == "approved"


class TestAssurance:
    LEVELS = list(Assurance)

    @pytest.mark.parametrize(
        ("risk", "least"), [("medium", "chat"), ("high", "token"), ("critical", "step_up")]
    )
    @pytest.mark.parametrize("given", LEVELS)
    def test_is_asked_for_by_tier(
        self, open_review: Open, bob: Any, say: Say, risk: str, least: str, given: Assurance
    ) -> None:
        review = open_review(risk=risk, reversible=True)
        assert review.min_assurance == least
        if self.LEVELS.index(given) >= self.LEVELS.index(Assurance(least)):
            say(review, bob, assurance=given)
            assert review.votes.get().assurance == given
            return
        with pytest.raises(AssuranceTooLow) as raised:
            say(review, bob, assurance=given)
        assert raised.value.data == {"required": least, "given": given}
        assert review.votes.count() == 0

    @pytest.mark.parametrize("verb", ["reject", "feedback", "request_info", "cancel_run"])
    def test_is_never_needed_to_say_no(self, critical: Review, bob: Any, say: Say, verb: str) -> None:
        say(critical, bob, verb, message="no", assurance=Assurance.CHAT)

    def test_is_needed_to_edit(self, critical: Review, bob: Any, say: Say) -> None:
        with pytest.raises(AssuranceTooLow):
            say(
                critical,
                bob,
                "edit",
                arguments={**critical.arguments, "amount": 1.0},
                assurance=Assurance.TOKEN,
            )

    def test_is_what_the_tenant_says(self, open_review: Open, bob: Any, say: Say) -> None:
        ReviewTier.objects.create(risk="high", min_assurance="step_up")
        with pytest.raises(AssuranceTooLow):
            say(open_review(), bob, assurance=Assurance.SESSION)

    def test_is_fixed_when_the_review_opens(self, review: Review, bob: Any, say: Say) -> None:
        ReviewTier.objects.create(risk="high", min_assurance="step_up")
        assert say(review, bob, assurance=Assurance.TOKEN).status == "approved"


class TestEffect:
    @pytest.mark.parametrize(
        ("outcome", "word"),
        [
            (Outcome(ok=True), "ok"),
            (Outcome(ok=False), "error"),
            (Outcome(ok=False, unknown=True), "unknown"),
        ],
    )
    def test_is_kept_beside_the_review(self, approved: Review, outcome: Outcome, word: str) -> None:
        operations.record_effect(review_id=approved.pk, outcome=outcome, now=NOW)
        approved.refresh_from_db()
        assert (approved.effect_outcome, approved.effect_at) == (word, NOW)
