"""Standing grants: given within limits, used once a use, and ended by whatever shows them wrong."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from governance import gate
from governance.access.models import User
from governance.audit.models import AuditEvent
from governance.types import Outcome
from hitl.grants import operations
from hitl.grants.models import GrantUse, StandingGrant
from hitl.grants.types import GrantRequest
from hitl.reviews import approvals
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review, ReviewTier
from hitl.reviews.types import Assurance, ReviewRequest
from tenants.kernel.errors import InvalidInput, NotFound, PermissionMissing, StaleTransition
from tests.governance.samples import NOW, proposal

SOON = NOW + timedelta(minutes=1)
LIMITS = [{"path": "amount", "op": "le", "value": 50}]
Give = Callable[..., StandingGrant]
Propose = Callable[..., Review]


@pytest.fixture
def give(review: Review, bob: Any) -> Give:
    """Return a function with which Bob gives a grant from a refund of 25.00 that he saw."""

    def make(*, giver: Any = None, source: Review | None = None, **asked: Any) -> StandingGrant:
        given: dict[str, Any] = {"scope": "exact_args", "reason": "broken in transit", **asked}
        request = GrantRequest(**{"assurance": Assurance.SESSION, **given})
        return operations.give(review_id=(source or review).pk, giver=giver or bob, request=request, now=NOW)

    return make


@pytest.fixture
def propose(agent: Any, oscar: Any) -> Propose:
    """Return a function that proposes a refund like the one that Bob saw, a minute later."""

    def make(
        *,
        user: Any = None,
        at: datetime = SOON,
        influence: tuple[str, ...] = (),
        run: Any = None,
        **changes: Any,
    ) -> Review:
        from dataclasses import replace

        arguments = {"order_id": "A-1001", "amount": 25.0, "reason": "arrived broken", **changes}
        request = replace(proposal(agent=agent, user=user or oscar, **arguments), influence=influence)
        if run is not None:
            request = replace(request, run=replace(request.run, run_id=str(run)))
        decision = gate.authorize(request, now=at)
        asked = ReviewRequest(decision=decision, evidence={}, expires_at=at + timedelta(hours=1))
        return reviews.request_review(request=asked, now=at)

    return make


def left(grant: StandingGrant) -> int:
    grant.refresh_from_db()
    return grant.uses_left


class TestGiving:
    def test_takes_agent_tool_and_arguments_from_the_review(
        self, give: Give, review: Review, bob: Any
    ) -> None:
        grant = give()
        call = review.policy_request
        assert (str(grant.agent_id), grant.agent_version) == (call.agent.id, call.agent.version)
        assert (grant.tool, grant.tool_schema_version) == (call.tool.name, call.tool.schema_version)
        assert (grant.arguments, grant.requester_id) == (review.arguments, review.requester_id)
        assert (grant.uses_left, grant.expires_at) == (10, NOW + timedelta(hours=1))
        assert (grant.created_by, grant.created_from) == (bob, review)

    def test_leaves_the_review_itself_to_people(self, give: Give, review: Review) -> None:
        give()
        review.refresh_from_db()
        assert review.status == Review.Status.PENDING

    def test_is_on_record(self, give: Give) -> None:
        grant = give(scope="args_pattern", conditions=LIMITS)
        event = AuditEvent.objects.get(action="grant.given")
        assert (event.actor_name, event.subject_id) == ("bob", str(grant.pk))
        assert event.body["covers"] == "amount at most 50"

    @pytest.mark.parametrize(
        ("asked", "at"),
        [
            ({"scope": "everything"}, "/scope"),
            ({"scope": "args_pattern"}, "/conditions"),
            ({"scope": "args_pattern", "conditions": None}, "/conditions"),
            ({"scope": "args_pattern", "conditions": {}}, "/conditions"),
            (
                {"scope": "args_pattern", "conditions": [{"path": "a", "op": "~", "value": 1}]},
                "/conditions/0/op",
            ),
            ({"scope": "tool", "conditions": LIMITS}, "/conditions"),
            ({"conditions": LIMITS}, "/conditions"),
            ({"uses": 0}, "/uses"),
            ({"uses": 101}, "/uses"),
            ({"lasts": timedelta(hours=8, seconds=1)}, "/hours"),
            ({"lasts": timedelta(0)}, "/hours"),
            ({"reason": "  "}, "/reason"),
            ({"reason": "x" * 1001}, "/reason"),
        ],
    )
    def test_names_what_is_beyond_its_limits(self, give: Give, asked: dict[str, Any], at: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            give(**asked)
        assert [error["at"] for error in refused.value.errors] == [at]
        assert not StandingGrant.objects.exists()

    @pytest.mark.parametrize("who", ["oscar", "vera", "audrey", "charlie", "alice"])
    def test_is_for_those_who_could_decide_the_call(self, give: Give, person: Any, who: str) -> None:
        """Alice is superuser and owns the agent; Oscar asked."""
        with pytest.raises(PermissionMissing):
            give(giver=person(who))

    def test_is_not_for_the_requester_who_reviews(self, give: Give, person: Any, open_review: Any) -> None:
        rita = person("rita", "agents.execute_agent", "agents.execute_tool")
        with pytest.raises(PermissionMissing):
            give(giver=rita, source=open_review(user=rita))

    def test_is_not_for_agents(self, give: Give, bob: Any) -> None:
        User.objects.filter(pk=bob.pk).update(kind="agent", is_staff=False)
        with pytest.raises(PermissionMissing):
            give(giver=User.objects.get(pk=bob.pk))

    def test_is_not_for_critical_calls(self, give: Give, critical: Review) -> None:
        with pytest.raises(PermissionMissing, match="Critical"):
            give(source=critical)

    def test_is_for_calls_of_tools_only(self, give: Give, hand_off: Any, ask: Any) -> None:
        for other in (hand_off(), ask()):
            with pytest.raises(PermissionMissing, match="Only calls of tools"):
                give(source=other)

    def test_is_not_from_a_call_that_was_rejected(
        self, give: Give, review: Review, rita: Any, say: Any
    ) -> None:
        say(review, rita, "reject", message="no")
        with pytest.raises(PermissionMissing, match="rejected"):
            give()

    def test_is_from_a_review_that_exists(self, give: Give, review: Review) -> None:
        with pytest.raises(NotFound):
            give(source=Review(pk=review.run_id))


class TestUse:
    def test_approves_a_call_that_it_covers(self, give: Give, propose: Propose, bob: Any) -> None:
        grant = give()
        review = propose()
        vote = review.votes.get()
        assert review.status == Review.Status.APPROVED
        assert (vote.kind, vote.reviewer, vote.verdict) == ("grant", bob, "approve")
        assert str(grant.pk) in vote.message
        assert "use 1 of 10" in vote.message
        assert (left(grant), GrantUse.objects.get().review) == (9, review)

    def test_leaves_nobody_to_be_asked(self, give: Give, propose: Propose) -> None:
        """Neither assigned, told nor escalated: who would do so hears of it after the grant has voted."""
        from hitl.escalation.models import EscalationState
        from hitl.notifications.models import Notification

        give()
        review = propose()
        assert review.assigned_to is None
        assert not EscalationState.objects.filter(review=review).exists()
        assert not Notification.objects.filter(review_id=review.pk, asks=True).exists()

    def test_lets_the_call_run_once(self, give: Give, propose: Propose) -> None:
        give()
        review = propose()
        approval = reviews.consume(review_id=review.pk, digest=review.digest, now=SOON)
        assert (approval.approvals, approval.approvers) == (1, ("bob",))

    def test_is_on_record_twice(self, give: Give, propose: Propose) -> None:
        grant = give()
        review = propose()
        used = AuditEvent.objects.get(action="grant.used")
        assert (used.subject_id, str(used.run_id)) == (str(grant.pk), str(review.run_id))
        assert AuditEvent.objects.filter(action="review.grant", subject_id=str(review.pk)).exists()

    def test_is_not_of_a_call_beside_it(self, give: Give, propose: Propose) -> None:
        grant = give(scope="args_pattern", conditions=LIMITS)
        assert propose(amount=50.01).status == Review.Status.PENDING
        assert left(grant) == 10
        assert propose(amount=50, reason="other").status == Review.Status.APPROVED

    def test_ends_with_the_uses(self, give: Give, propose: Propose) -> None:
        grant = give(uses=2)
        statuses = [propose().status for _ in range(3)]
        assert statuses == [Review.Status.APPROVED, Review.Status.APPROVED, Review.Status.PENDING]
        assert (left(grant), grant.state(SOON)) == (0, "spent")

    def test_ends_with_the_time(self, give: Give, propose: Propose) -> None:
        grant = give(lasts=timedelta(hours=1))
        assert propose(at=NOW + timedelta(minutes=59)).status == Review.Status.APPROVED
        assert propose(at=NOW + timedelta(hours=1)).status == Review.Status.PENDING
        assert grant.state(NOW + timedelta(hours=1)) == "expired"

    def test_ends_with_the_tools_definition(self, give: Give, propose: Propose) -> None:
        from agents.tools.models import Tool

        give(scope="tool")
        Tool.objects.filter(name="refund_order").update(schema_version="1" * 64)
        assert propose().status == Review.Status.PENDING

    def test_ends_with_the_agents_version(self, give: Give, propose: Propose, agent: Any) -> None:
        from agents.catalog.operations import change_agent

        give(scope="tool")
        change_agent(agent=agent, config=agent.config)
        assert propose().status == Review.Status.PENDING

    def test_is_not_of_a_call_that_became_critical(self, give: Give, propose: Propose) -> None:
        from agents.tools.models import Tool

        give(scope="tool")
        Tool.objects.filter(name="refund_order").update(risk="critical")
        assert propose().status == Review.Status.PENDING

    def test_is_of_the_requesters_runs_alone(self, give: Give, propose: Propose, person: Any) -> None:
        other = person("olga", "agents.execute_agent", "agents.execute_tool")
        give()
        assert propose(user=other).status == Review.Status.PENDING
        give(anyone=True)
        assert propose(user=other).status == Review.Status.APPROVED

    def test_under_untrusted_influence_is_of_the_very_call_alone(self, give: Give, propose: Propose) -> None:
        give(scope="tool")
        assert propose(influence=("read_ticket",)).status == Review.Status.PENDING
        give(scope="exact_args")
        assert propose(influence=("read_ticket",)).status == Review.Status.APPROVED

    def test_takes_the_oldest_that_fits_and_one_only(self, give: Give, propose: Propose, rita: Any) -> None:
        first, second = give(), give(giver=rita)
        review = propose()
        assert (left(first), left(second), review.votes.count()) == (9, 10, 1)


class TestGiver:
    """The vote is its giver's: it counts where theirs would, when it is cast."""

    def test_who_asks_themselves_gets_people_to_look(self, give: Give, propose: Propose, person: Any) -> None:
        grant = give(anyone=True)
        bob = person("bob", "agents.execute_agent", "agents.execute_tool")
        assert propose(user=bob).status == Review.Status.PENDING
        assert left(grant) == 10

    def test_who_owns_the_agent_by_now_does_not_count(
        self, give: Give, propose: Propose, agent: Any, bob: Any
    ) -> None:
        grant = give()
        type(agent).objects.filter(pk=agent.pk).update(owner=bob)
        agent.refresh_from_db()
        assert propose().status == Review.Status.PENDING
        assert left(grant) == 10

    @pytest.mark.parametrize("lost", ["decide_review", "add_grant"])
    def test_who_lost_the_permission_does_not_count(
        self, give: Give, propose: Propose, person: Any, lost: str
    ) -> None:
        names = {"hitl.decide_review", "hitl.add_grant"}
        gina = person("gina", *names)
        give(giver=gina)
        assert propose().status == Review.Status.APPROVED
        gina.user_permissions.set(gina.user_permissions.exclude(codename=lost))
        assert propose().status == Review.Status.PENDING

    def test_who_left_does_not_count(self, give: Give, propose: Propose, bob: Any) -> None:
        give()
        User.objects.filter(pk=bob.pk).update(is_active=False)
        assert propose().status == Review.Status.PENDING

    def test_who_signed_in_by_less_than_the_tier_asks_does_not_count(
        self, give: Give, propose: Propose
    ) -> None:
        grant = give(assurance=Assurance.TOKEN)
        ReviewTier.objects.create(risk="high", min_assurance=Assurance.SESSION)
        assert propose().status == Review.Status.PENDING
        assert left(grant) == 10

    def test_is_one_of_the_two_that_a_plan_asks_for(
        self, give: Give, propose: Propose, rita: Any, bob: Any, say: Any, person: Any
    ) -> None:
        from hitl.reviews.models import ReviewPlan

        two = {"stages": [{"name": "two", "any_of": [{"approve": 2}]}], "human_only": False}
        give()
        ReviewPlan.objects.create(name="two", risk="high", document=two, author=person("pat"))
        review = propose()
        assert (review.status, review.votes.get().kind) == (Review.Status.PENDING, "grant")
        with pytest.raises(reviews.AlreadyDecided):
            say(review, bob, at=SOON)
        assert say(review, rita, at=SOON).status == Review.Status.APPROVED

    def test_is_not_cast_where_the_plan_wants_people_to_look(
        self, give: Give, propose: Propose, bob: Any, say: Any, person: Any
    ) -> None:
        from hitl.reviews.models import ReviewPlan

        grant = give()
        document = {"stages": [{"name": "one", "any_of": [{"approve": 1}]}], "human_only": True}
        ReviewPlan.objects.create(name="one", risk="high", document=document, author=person("pat"))
        review = propose()
        assert (review.status, left(grant)) == (Review.Status.PENDING, 10)
        assert say(review, bob, at=SOON).status == Review.Status.APPROVED


class TestRejection:
    def test_in_this_run_beats_a_grant(self, give: Give, propose: Propose, rita: Any, say: Any) -> None:
        rejected = propose()
        say(rejected, rita, "reject", message="no", at=SOON)
        give()
        assert propose(run=rejected.run_id).status == Review.Status.PENDING
        assert propose().status == Review.Status.APPROVED

    def test_of_a_call_that_it_covers_pauses_the_grant(
        self, give: Give, propose: Propose, rita: Any, say: Any
    ) -> None:
        waiting = propose()
        grant, beside = give(scope="tool"), give(scope="args_pattern", conditions=[{**LIMITS[0], "value": 1}])
        say(waiting, rita, "reject", message="no", at=SOON)
        assert propose().status == Review.Status.PENDING
        grant.refresh_from_db()
        beside.refresh_from_db()
        assert (grant.state(SOON), beside.state(SOON)) == ("paused", "active")
        assert grant.paused_why == "rita rejected a call that it covers."
        assert AuditEvent.objects.filter(action="grant.paused", subject_id=str(grant.pk)).exists()

    def test_with_guidance_pauses_too(self, give: Give, propose: Propose, rita: Any, say: Any) -> None:
        waiting = propose()
        grant = give()
        say(waiting, rita, "feedback", message="ask for a photo first", at=SOON)
        grant.refresh_from_db()
        assert grant.state(SOON) == "paused"

    def test_of_what_it_let_through_pauses_too(self, give: Give, propose: Propose, rita: Any) -> None:
        grant = give()
        review = propose()
        approvals.revoke(review_id=review.pk, by=rita, message="not this one", now=SOON)
        grant.refresh_from_db()
        assert (grant.state(SOON), grant.paused_why) == (
            "paused",
            "Somebody took back a call that it covers.",
        )


class TestEffect:
    @pytest.mark.parametrize(
        "outcome", [Outcome(ok=False, error="no such order"), Outcome(ok=False, unknown=True)]
    )
    def test_that_failed_or_is_unknown_pauses_the_grant(
        self, give: Give, propose: Propose, outcome: Outcome
    ) -> None:
        grant = give()
        approvals.record_effect(review_id=propose().pk, outcome=outcome, now=SOON)
        grant.refresh_from_db()
        assert (grant.state(SOON), grant.paused_at) == ("paused", SOON)
        assert propose().status == Review.Status.PENDING

    def test_that_is_good_lets_it_go_on(self, give: Give, propose: Propose) -> None:
        give()
        approvals.record_effect(review_id=propose().pk, outcome=Outcome(ok=True), now=SOON)
        assert propose().status == Review.Status.APPROVED

    def test_of_another_review_is_nothing_to_it(self, give: Give, propose: Propose, review: Review) -> None:
        give()
        approvals.record_effect(review_id=review.pk, outcome=Outcome(ok=False), now=SOON)
        assert propose().status == Review.Status.APPROVED

    def test_that_nobody_told_of_is_seen_at_the_next_use(self, give: Give, propose: Propose) -> None:
        grant = give()
        Review.objects.filter(pk=propose().pk).update(effect_outcome="unknown", effect_at=SOON)
        assert propose().status == Review.Status.PENDING
        grant.refresh_from_db()
        assert grant.state(SOON) == "paused"


class TestResume:
    @pytest.fixture
    def paused(self, give: Give, propose: Propose) -> StandingGrant:
        """Return a grant that a failure paused."""
        grant = give()
        approvals.record_effect(review_id=propose().pk, outcome=Outcome(ok=False), now=SOON)
        grant.refresh_from_db()
        return grant

    def test_lets_it_go_on_with_what_is_left(self, paused: StandingGrant, propose: Propose, bob: Any) -> None:
        later = SOON + timedelta(minutes=1)
        resumed = operations.resume(grant_id=paused.pk, by=bob, now=later)
        assert (resumed.uses_left, resumed.expires_at) == (9, paused.expires_at)
        assert propose(at=later).status == Review.Status.APPROVED

    def test_is_for_its_giver_alone(self, paused: StandingGrant, person: Any) -> None:
        for who in ("rita", "alice", "oscar"):
            with pytest.raises(PermissionMissing):
                operations.resume(grant_id=paused.pk, by=person(who), now=SOON)

    def test_is_for_what_is_paused(self, give: Give, bob: Any) -> None:
        with pytest.raises(StaleTransition, match="active"):
            operations.resume(grant_id=give().pk, by=bob, now=SOON)

    def test_is_not_for_what_has_ended(self, paused: StandingGrant, bob: Any) -> None:
        with pytest.raises(StaleTransition, match="expired"):
            operations.resume(grant_id=paused.pk, by=bob, now=paused.expires_at)
        operations.revoke(grant_id=paused.pk, by=bob, now=SOON)
        with pytest.raises(StaleTransition, match="revoked"):
            operations.resume(grant_id=paused.pk, by=bob, now=SOON)


class TestRevoke:
    @pytest.mark.parametrize("who", ["bob", "oscar", "alice"])
    def test_ends_it_at_once(self, give: Give, propose: Propose, person: Any, who: str) -> None:
        grant = give()
        revoked = operations.revoke(grant_id=grant.pk, by=person(who), now=NOW)
        assert propose().status == Review.Status.PENDING
        assert (revoked.state(SOON), revoked.revoked_by.username) == ("revoked", who)
        assert AuditEvent.objects.get(action="grant.revoked").actor_name == who

    def test_is_for_its_giver_and_who_may_revoke_anybodys(self, give: Give, person: Any) -> None:
        grant = give()
        for who in ("rita", "vera", "charlie"):
            with pytest.raises(PermissionMissing):
                operations.revoke(grant_id=grant.pk, by=person(who), now=NOW)

    def test_is_done_once(self, give: Give, bob: Any) -> None:
        grant = give()
        operations.revoke(grant_id=grant.pk, by=bob, now=NOW)
        with pytest.raises(StaleTransition):
            operations.revoke(grant_id=grant.pk, by=bob, now=NOW)
