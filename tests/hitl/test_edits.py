"""An edit is a new action: guarded anew, voted on anew, and under another plan where it is riskier."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.tools.models import Tool
from governance.audit.models import AuditEvent
from governance.policies.models import RiskThreshold
from hitl.reviews.models import Review
from hitl.reviews.operations import AlreadyDecided, ApprovalNotUsable, available_actions, consume
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tests.governance.samples import NOW

Open = Callable[..., Review]
Say = Callable[..., Review]


def to(review: Review, amount: Any) -> dict[str, Any]:
    return {**review.arguments, "amount": amount}


@pytest.fixture
def rule(acme: Any, person: Any) -> RiskThreshold:
    """Return a threshold: refunds from 100 on are critical."""
    return RiskThreshold.objects.create(
        tool="refund_order", argument="amount", at_least=100, risk="critical", author=person("vera")
    )


class TestInTheSameTier:
    def test_keeps_the_review_and_voids_its_votes(
        self, critical: Review, bob: Any, rita: Any, person: Any, say: Say
    ) -> None:
        dora = person("dora", "hitl.decide_review")
        say(critical, bob)
        edited = say(critical, rita, "edit", arguments=to(critical, 20.0))
        assert (edited.pk, edited.status, edited.version, edited.risk) == (
            critical.pk,
            "pending",
            2,
            "critical",
        )
        assert edited.decided_by.editor == rita.pk
        assert say(edited, dora, version=2).status == "pending"
        assert say(edited, bob, version=2).status == "approved"
        approval = consume(review_id=edited.pk, digest=edited.digest, now=NOW)
        assert sorted(approval.approvers) == ["bob", "dora"]

    def test_is_kept_as_a_patch_of_what_stood_before(
        self, review: Review, bob: Any, rita: Any, say: Say
    ) -> None:
        say(review, bob, "edit", arguments=to(review, 20.0))
        review.refresh_from_db()
        say(review, rita, "edit", arguments={**to(review, 10.0), "reason": "less"}, version=2)
        first, second = review.votes.order_by("id")
        assert first.patch == [{"op": "replace", "path": "/amount", "value": 20.0}]
        assert second.patch == [
            {"op": "replace", "path": "/amount", "value": 10.0},
            {"op": "replace", "path": "/reason", "value": "less"},
        ]
        assert (first.verdict, second.verdict, first.reviewer, second.reviewer) == (
            "nothing",
            "nothing",
            bob,
            rita,
        )

    def test_lets_the_editor_of_an_earlier_one_approve(
        self, review: Review, bob: Any, rita: Any, say: Say
    ) -> None:
        say(review, bob, "edit", arguments=to(review, 20.0))
        say(review, rita, "edit", arguments=to(review, 10.0), version=2)
        with pytest.raises(PermissionMissing):
            say(review, rita, version=3)
        assert say(review, bob, version=3).status == "approved"

    def test_leaves_the_editor_all_but_the_approval(self, review: Review, bob: Any, say: Say) -> None:
        say(review, bob, "edit", arguments=to(review, 20.0))
        review.refresh_from_db()
        verbs = ("edit", "feedback", "reject", "request_info", "cancel_run")
        assert available_actions(review, bob).verbs == verbs
        assert say(review, bob, "reject", message="after all", version=2).status == "rejected"

    def test_changes_what_counts_as_the_same_call(self, review: Review, bob: Any, say: Say) -> None:
        before = (review.fingerprint, review.shape)
        edited = say(review, bob, "edit", arguments=to(review, 20.0))
        assert (edited.fingerprint != before[0], edited.shape == before[1]) == (True, True)

    def test_excludes_who_wrote_a_rule_that_it_now_meets(
        self, rule: RiskThreshold, open_review: Open, bob: Any, rita: Any, say: Say
    ) -> None:
        RiskThreshold.objects.update(author=rita, risk="high")
        Tool.objects.filter(name="refund_order").update(risk="medium")
        review = open_review()  # high already: it cannot be undone
        assert available_actions(review, rita).verbs
        say(review, bob, "edit", arguments=to(review, 100.0))
        review.refresh_from_db()
        assert available_actions(review, rita).why_not.startswith("You wrote the rule")


class TestToAHigherTier:
    @pytest.fixture
    def risen(self, rule: RiskThreshold, review: Review, bob: Any, say: Say) -> Review:
        """Return the review that took the place of one which Bob edited to 100."""
        return say(review, bob, "edit", arguments=to(review, 100.0))

    def test_supersedes_the_review(self, risen: Review, review: Review) -> None:
        review.refresh_from_db()
        risen.refresh_from_db()
        assert (review.status, review.decided_at, review.arguments["amount"]) == ("superseded", NOW, 25.0)
        assert (risen.supersedes, risen.status, risen.risk, risen.required) == (
            review,
            "pending",
            "critical",
            2,
        )
        assert (risen.arguments["amount"], risen.arguments_proposed["amount"]) == (100.0, 25.0)
        assert risen.digest == risen.policy_request.digest() != review.digest
        assert (risen.step_id, risen.run_id, risen.veto_until) == (review.step_id, review.run_id, None)

    def test_takes_no_vote_along(
        self, rule: RiskThreshold, open_review: Open, bob: Any, rita: Any, person: Any, say: Say
    ) -> None:
        Tool.objects.filter(name="refund_order").update(risk="high")
        dora, emil = (person(name, "hitl.decide_review") for name in ("dora", "emil"))
        review = open_review()
        risen = say(review, bob, "edit", arguments=to(review, 100.0))
        assert risen.votes.count() == 0
        assert say(risen, dora).status == "pending"
        assert say(risen, emil).status == "approved"

    def test_remembers_the_editor(self, risen: Review, bob: Any, rita: Any, say: Say) -> None:
        with pytest.raises(PermissionMissing, match="the last edit"):
            say(risen, bob)
        assert say(risen, rita).status == "pending"

    def test_is_on_record_with_the_edit(self, risen: Review, review: Review, bob: Any) -> None:
        vote = review.votes.get()
        assert (vote.decision, vote.verdict, vote.reviewer, vote.digest) == (
            "edit",
            "nothing",
            bob,
            risen.digest,
        )
        assert vote.patch == [{"op": "replace", "path": "/amount", "value": 100.0}]
        assert AuditEvent.objects.get(action="review.edit", subject_id=str(review.pk)).outcome == "superseded"
        assert AuditEvent.objects.filter(action="review.requested", subject_id=str(risen.pk)).exists()

    def test_closes_the_old_one_for_good(self, risen: Review, review: Review, rita: Any, say: Say) -> None:
        with pytest.raises(AlreadyDecided, match="another review took its place"):
            say(review, rita)
        with pytest.raises(ApprovalNotUsable):
            consume(review_id=review.pk, digest=review.digest, now=NOW)

    def test_of_the_successor_is_a_patch_of_what_stood_there(
        self, risen: Review, rita: Any, say: Say
    ) -> None:
        say(risen, rita, "edit", arguments={**risen.arguments, "reason": "other"})
        assert risen.votes.get().patch == [{"op": "replace", "path": "/reason", "value": "other"}]


class TestDenied:
    @pytest.mark.parametrize("amount", [0, -1, 100_001, "10", None, True])
    def test_leaves_everything_as_it_was(
        self, critical: Review, bob: Any, rita: Any, say: Say, amount: Any
    ) -> None:
        say(critical, bob)
        before = Review.objects.filter(pk=critical.pk).values().get()
        with pytest.raises(InvalidInput) as raised:
            say(critical, rita, "edit", arguments=to(critical, amount))
        assert raised.value.errors[0]["rule"] == "argument-schema"
        assert Review.objects.filter(pk=critical.pk).values().get() == before
        assert critical.votes.count() == 1
        assert say(critical, rita).status == "approved"
