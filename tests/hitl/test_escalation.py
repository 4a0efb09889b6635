"""Reviews that nobody decides: who is told when, what holds it up, and that no silence approves."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from agents.halts.models import Halt
from agents.runs import operations as runs
from agents.runs.models import Run
from governance.audit.models import AuditEvent
from hitl.escalation import levels, operations, signals, waking
from hitl.escalation.models import (
    EscalationEvent,
    EscalationPolicy,
    EscalationPolicyVersion,
    EscalationState,
    ServiceLevel,
)
from hitl.escalation.operations import NotSteerable
from hitl.notifications import operations as notifications
from hitl.notifications.types import Kind
from hitl.reviews.attention import raise_priority
from hitl.reviews.models import Review, Vote
from hitl.reviews.record import changed
from hitl.reviews.types import Assurance
from hitl.routing import duty as routing
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tenants.timers.models import Timer
from tenants.timers.tick import tick
from tests.governance.samples import NOW
from tests.hitl.escalation_policies import EVERYBODY, WAIT, save

Open = Callable[..., Review]
STEER = "hitl.steer_escalation"
RITA = {"step": "notify", "users": ["rita"], "importance": "important"}
BOB = {"step": "notify", "users": ["bob"]}


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class Notices:
    """What was told to whom, in place of channels."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.keys: list[str] = []

    def notify(self, *, recipients: Any, kind: str, dedup: str, **_given: Any) -> int:
        if kind == Kind.REVIEW_OPENED:
            return 0
        found = list(recipients)
        kind = dedup.partition(":")[0] if kind == "service_level" else kind
        self.sent += [(kind, user.username) for user in found]
        self.keys += [f"{dedup}:{user.pk}" for user in found]
        return len(found)

    def notify_tenant(self, *, kind: str, dedup: str, **_given: Any) -> int:
        self.sent.append(("fallback" if dedup.endswith(":fallback") else kind, "tenant"))
        return 1

    def of(self, kind: str = "escalation") -> list[str]:
        """Return who was told of this kind, in order."""
        return [who for told, who in self.sent if told == kind]


@pytest.fixture(autouse=True)
def notices(monkeypatch: pytest.MonkeyPatch) -> Notices:
    """Take down every notice."""
    found = Notices()
    monkeypatch.setattr(notifications, "notify", found.notify)
    monkeypatch.setattr(notifications, "notify_tenant", found.notify_tenant)
    return found


@pytest.fixture(autouse=True)
def _cast(acme: Any, rita: Any, bob: Any, person: Any) -> None:
    person("rita", roles=("reviewer",))
    Timer.objects.all().delete()


def state(review: Review) -> EscalationState:
    return EscalationState.objects.get(review=review)


def events(review: Review) -> list[str]:
    """Return what the escalation did, first to last."""
    return list(EscalationEvent.objects.filter(review=review).order_by("id").values_list("kind", flat=True))


def with_run(review: Review, agent: Any) -> Review:
    """Give the review a run that waits for it."""
    asked = {"query": "refund, please"}
    made = runs.start(agent=agent, user=review.requester, input=asked, trace_id="0" * 32, now=NOW)
    Run.objects.filter(pk=made.pk).update(status=Run.Status.WAITING)
    Review.objects.filter(pk=review.pk).update(run_id=made.pk)
    review.refresh_from_db()
    return review


def run(*seconds: float) -> None:
    """Tick at each of these times after the start."""
    for second in seconds:
        tick(now=later(second))


class TestOpenedReview:
    def test_is_due_by_its_priority_and_escalates_after_a_delay(self, review: Review) -> None:
        assert review.due_at == later(900)
        assert state(review).next_at == later(10)
        assert set(Timer.objects.values_list("kind", flat=True)) == {
            "review.expire", "review.sla", "review.escalate"
        }  # fmt: skip

    def test_is_never_due_after_it_expires(self, open_review: Open) -> None:
        ServiceLevel.objects.create(priority="high", respond_within_s=86_400)
        review = open_review()
        assert review.due_at == review.expires_at

    def test_goes_by_the_level_of_its_risk_before_that_of_any(self, open_review: Open) -> None:
        ServiceLevel.objects.create(priority="high", respond_within_s=100)
        ServiceLevel.objects.create(priority="high", risk="high", respond_within_s=60)
        assert open_review().due_at == later(60)

    def test_that_is_decided_at_once_makes_no_noise(
        self, review: Review, say: Any, bob: Any, notices: Any
    ) -> None:
        say(review, bob)
        run(10, 680)
        assert (notices.sent, events(review)) == ([], ["started", "stopped"])
        assert list(Timer.objects.values_list("kind", flat=True)) == ["review.expire"]

    def test_gets_the_built_in_policy_where_there_is_none(self, review: Review, notices: Any) -> None:
        run(10, 450, 455)
        assert state(review).version is None
        assert notices.of() == ["bob", "rita"]
        assert state(review).status == "finished"


class TestServiceLevel:
    def test_warns_once_and_breaches_once(self, review: Review, notices: Any) -> None:
        run(600, 675, 680, 900, 905, 910)
        review.refresh_from_db()
        assert (review.warned_at, review.breached_at) == (later(675), later(900))
        assert notices.of("sla_warning") == ["bob"], "it was assigned to Bob when it was opened"
        assert notices.of("sla_breach") == ["bob", "rita"]
        actions = AuditEvent.objects.filter(subject_id=str(review.pk), action__startswith="review.sla")
        assert sorted(actions.values_list("action", flat=True)) == ["review.sla-breach", "review.sla-warning"]

    def test_that_was_missed_altogether_breaches_without_a_warning(
        self, review: Review, notices: Any
    ) -> None:
        run(1000)
        review.refresh_from_db()
        assert (review.warned_at, review.breached_at) == (None, later(1000))

    def test_follows_a_higher_priority(self, review: Review, alice: Any) -> None:
        raise_priority(review_id=review.pk, priority="critical", by=alice, now=later(30))
        review.refresh_from_db()
        assert review.due_at == later(300)
        assert Timer.objects.get(kind=levels.KIND).due_at == later(225)

    def test_leaves_the_review_open_when_it_is_breached(self, review: Review) -> None:
        run(1000)
        review.refresh_from_db()
        assert review.status == "pending"


class TestTimer:
    def test_takes_one_step_in_a_tick(self, open_review: Open, notices: Any) -> None:
        save([BOB, RITA, {"step": "final", "action": "keep_pending"}])
        open_review()
        run(10)
        assert notices.of() == ["bob"]
        run(12)
        assert notices.of() == ["bob"]
        run(15)
        assert notices.of() == ["bob", "rita"]

    def test_says_the_same_thing_to_the_same_person_once(self, open_review: Open, notices: Any) -> None:
        save([BOB, {"step": "goto", "to_step": 1}])
        open_review()
        run(*range(10, 200, 5))
        assert len(notices.keys) == len(set(notices.keys)) == 6

    def test_that_was_overtaken_does_nothing(self, review: Review, notices: Any) -> None:
        Timer.objects.filter(kind=operations.KIND).update(generation=7)
        run(10, 20)
        assert notices.sent == []
        assert not Timer.objects.filter(kind=operations.KIND).exists()

    def test_that_comes_early_waits(self, review: Review, notices: Any) -> None:
        assert waking.on_timer(review.pk, 0, later(5)) == later(10)
        assert notices.sent == []

    def test_of_a_review_that_is_gone_ends(self, acme: Any) -> None:
        from uuid import uuid4

        assert waking.on_timer(uuid4(), 0, NOW) is None
        assert levels.on_timer(uuid4(), 0, NOW) is None

    def test_survives_a_clock_that_jumps(self, review: Review, notices: Any) -> None:
        run(10, 450, 450 - 3600, 451)
        assert notices.of() == ["bob", "rita"]


class TestPinnedPolicy:
    def test_is_the_one_that_matches_most_closely(self, open_review: Open) -> None:
        save([BOB], name="Default", is_default=True)
        save([BOB], name="High", risks=["high"])
        save([BOB], name="Refunds", tool="refund_*")
        exact = save([BOB], name="Refund order", tool="refund_order")
        save([BOB], name="Off", tool="refund_order", risks=["high"], enabled=False)
        assert state(open_review()).version == exact.current

    def test_is_the_default_where_no_other_matches(self, open_review: Open) -> None:
        default = save([BOB], name="Default", is_default=True)
        save([BOB], name="Mail", tool="send_*")
        assert state(open_review()).version == default.current

    def test_does_not_change_under_a_review_that_runs(self, open_review: Open, notices: Any) -> None:
        save([BOB, WAIT, BOB])
        review = open_review()
        run(10)
        save([RITA], now=later(20))
        run(15, 320)
        assert notices.of() == ["bob", "bob"]
        assert state(review).version.number == 1

    def test_is_exchanged_by_hand(self, open_review: Open, person: Any, notices: Any) -> None:
        save([BOB, WAIT, BOB])
        review = open_review()
        run(10)
        save([RITA], now=later(20))
        oscar = person("oscar", STEER)
        operations.repin(review_id=review.pk, by=oscar, now=later(30))
        run(35, 40, 400)
        assert notices.of() == ["bob", "rita"]
        assert (state(review).version.number, state(review).generation) == (2, 1)

    def test_has_versions_that_nothing_changes(self) -> None:
        version = save([BOB]).current
        with pytest.raises(DatabaseError), transaction.atomic():
            EscalationPolicyVersion.objects.filter(pk=version.pk).update(steps=[RITA])
        with pytest.raises(DatabaseError), transaction.atomic():
            version.delete()

    def test_has_events_that_nothing_changes(self, review: Review) -> None:
        with pytest.raises(DatabaseError), transaction.atomic():
            EscalationEvent.objects.filter(review=review).delete()


class TestSavedPolicy:
    def test_has_a_new_version_for_other_steps_only(self) -> None:
        policy = save([BOB])
        save([BOB])
        save([RITA])
        assert list(policy.versions.order_by("number").values_list("number", flat=True)) == [1, 2]

    @pytest.mark.parametrize(
        ("step", "named"),
        [
            ({"step": "notify", "users": ["nobody"]}, "Step 2, users: there is nobody active called nobody"),
            ({"step": "notify", "groups": ["nobody"]}, "Step 2, groups: there is no group nobody"),
            ({"step": "add_reviewers", "users": ["vera"]}, "Step 2, users: may not decide reviews: vera"),
            ({"step": "notify_round_robin", "users": ["bob", "x"]}, "Step 2, users: there is nobody active"),
        ],
    )
    def test_names_people_who_exist(self, step: Any, named: str) -> None:
        with pytest.raises(InvalidInput) as raised:
            save([BOB, step])
        assert raised.value.detail.startswith(named)

    def test_that_is_the_default_matches_nothing_in_particular(self) -> None:
        with pytest.raises(InvalidInput):
            save([BOB], is_default=True, tool="refund_order")


class TestRecipients:
    def test_are_never_those_who_must_not_decide(self, open_review: Open, oscar: Any, notices: Any) -> None:
        save([{"step": "notify", "users": ["oscar", "alice", "rita"], "agent_owner": True}])
        review = open_review(user=oscar)
        run(10, 900)
        assert {who for _, who in notices.sent} == {"bob", "rita"}
        assert notices.of() == ["rita"]
        assert review.owner.username == "alice"

    def test_are_not_inactive(self, open_review: Open, rita: Any, notices: Any) -> None:
        save([{"step": "notify", "users": ["bob", "rita"]}])
        open_review()
        rita.is_active = False
        rita.save()
        run(10)
        assert notices.of() == ["bob"]

    def test_are_looked_up_at_that_moment(self, open_review: Open, person: Any, notices: Any) -> None:
        save([WAIT, {"step": "notify", "groups": ["reviewer"]}])
        open_review()
        person("newcomer", roles=("reviewer",))
        run(10, 315)
        assert "newcomer" in notices.of()

    def test_are_who_is_on_call_and_who_stands_in(
        self, open_review: Open, bob: Any, rita: Any, notices: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(routing, "on_call", lambda _schedule, _at: [bob])
        monkeypatch.setattr(routing, "stand_ins", lambda users, _at: [rita] if bob in users else [])
        save([{"step": "notify", "schedule": "00000000-0000-7000-8000-000000000001"}])
        open_review()
        run(10)
        assert notices.of() == ["bob", "rita"]

    def test_are_the_assignee_first_where_there_is_one(
        self, open_review: Open, rita: Any, notices: Any
    ) -> None:
        save([{"step": "notify", "assignee": True}, WAIT, EVERYBODY])
        review = open_review()
        Review.objects.filter(pk=review.pk).update(assigned_to=rita)
        run(10, 15, 320)
        assert notices.of() == ["rita", "bob", "rita"]

    def test_take_turns(self, open_review: Open, notices: Any) -> None:
        save([{"step": "notify_round_robin", "users": ["bob", "rita"]}])
        for _ in range(3):
            open_review()
        run(10)
        assert notices.of() == ["bob", "rita", "bob"]

    def test_take_turns_past_those_who_must_not_decide(
        self, open_review: Open, person: Any, notices: Any
    ) -> None:
        save([{"step": "notify_round_robin", "users": ["bob", "rita"]}])
        open_review(user=person("bob", roles=("operator",)))
        run(10)
        assert notices.of() == ["rita"]

    def test_are_added_only_if_they_may_decide(self, open_review: Open, person: Any, notices: Any) -> None:
        helper = person("helper", "hitl.decide_review")
        save([{"step": "add_reviewers", "users": ["helper"]}, WAIT, EVERYBODY])
        review = open_review()
        helper.user_permissions.clear()
        run(10, 15)
        assert notices.of() == []
        assert events(review)[1] == "step_failed"
        assert EscalationEvent.objects.get(review=review, kind="step_failed").detail["refused"] == ["helper"]


class TestNobody:
    def test_to_tell_goes_on_at_once_and_tells_the_tenant_at_the_end(
        self, open_review: Open, person: Any, notices: Any
    ) -> None:
        save([BOB, RITA])
        review = open_review(user=person("bob", roles=("operator",)))
        run(10, 11)
        assert events(review) == ["started", "no_target", "notified", "finished"]
        assert notices.of() == ["rita"]
        assert notices.of("fallback") == ["tenant"]


class TestBrokenStep:
    def test_is_on_record_and_the_next_one_follows(
        self, open_review: Open, person: Any, notices: Any
    ) -> None:
        leaver = person("leaver", roles=("reviewer",))
        save([{"step": "notify", "users": ["leaver"]}, RITA])
        review = open_review()
        leaver.delete()
        run(10, 11)
        assert events(review) == ["started", "step_failed", "notified", "finished"]
        assert EscalationEvent.objects.get(review=review, kind="step_failed").detail["missing"] == ["leaver"]

    def test_that_raises_stops_nothing(
        self, open_review: Open, notices: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(**_given: Any) -> int:
            raise RuntimeError("no channel")

        save([BOB, {"step": "final", "action": "expire"}])
        review = open_review()
        monkeypatch.setattr(notifications, "notify", broken)
        run(10, 11)
        review.refresh_from_db()
        assert "step_failed" in events(review)
        assert review.status == "expired"


class TestClaim:
    def claim(self, review: Review, who: Any, until: datetime | None) -> None:
        Review.objects.filter(pk=review.pk).update(assigned_to=who, claimed_until=until)
        review.refresh_from_db()
        changed(review)

    def test_holds_the_next_step_until_it_ends(self, open_review: Open, rita: Any, notices: Any) -> None:
        save([BOB, RITA])
        review = open_review()
        run(10)
        self.claim(review, rita, later(300))
        run(15, 100, 299)
        assert notices.of() == ["bob"]
        run(300)
        assert notices.of() == ["bob", "rita"], "it goes on at the next step, not at the first"
        assert events(review)[:3] == ["started", "notified", "held"]

    def test_given_back_lets_it_go_on_at_once(self, open_review: Open, rita: Any, notices: Any) -> None:
        save([BOB, RITA])
        review = open_review()
        run(10)
        self.claim(review, rita, later(300))
        run(15)
        self.claim(review, None, None)
        run(20)
        assert notices.of() == ["bob", "rita"]

    def test_does_not_hold_it_once_the_claimant_has_voted(
        self, open_review: Open, rita: Any, say: Any, notices: Any
    ) -> None:
        save([{"step": "notify", "assignee": True}])
        critical = open_review(risk="critical")
        self.claim(critical, rita, later(250))
        say(critical, rita, assurance=Assurance.STEP_UP)
        Review.objects.filter(pk=critical.pk).update(assigned_to=rita, claimed_until=later(250))
        run(10)
        assert notices.of() == ["bob"]


class TestQuorum:
    def test_of_two_keeps_telling_the_second_after_the_first_vote(
        self, open_review: Open, bob: Any, say: Any, notices: Any
    ) -> None:
        save([EVERYBODY, WAIT, EVERYBODY])
        critical = open_review(risk="critical")
        say(critical, bob, assurance=Assurance.STEP_UP)
        run(10, 15, 320)
        assert notices.of() == ["rita", "rita"]


class TestQuestion:
    def test_leaves_the_clock_running(self, review: Review, bob: Any, say: Any, notices: Any) -> None:
        say(review, bob, "request_info", message="Which order?")
        run(900)
        review.refresh_from_db()
        assert review.breached_at == later(900)


class TestSteering:
    @pytest.fixture
    def oscar(self, person: Any) -> Any:
        """Oscar may steer."""
        return person("oscar", STEER)

    def test_forces_the_next_step(self, open_review: Open, person: Any, oscar: Any, notices: Any) -> None:
        save([WAIT, BOB])
        review = open_review()
        run(10)
        operations.force(review_id=review.pk, by=oscar, now=later(20))
        run(20)
        assert (notices.of(), state(review).generation) == (["bob"], 1)
        assert AuditEvent.objects.filter(action="escalation.forced", actor_name="oscar").exists()

    def test_pauses_and_keeps_what_was_left(self, open_review: Open, oscar: Any, notices: Any) -> None:
        save([WAIT, BOB])
        review = open_review()
        run(10)
        operations.pause(review_id=review.pk, by=oscar, now=later(110))
        assert state(review).remaining == timedelta(seconds=200)
        run(310, 500)
        assert notices.of() == []
        operations.resume(review_id=review.pk, by=oscar, now=later(600))
        run(799)
        assert notices.of() == []
        run(800)
        assert notices.of() == ["bob"]

    def test_is_for_those_who_may(self, review: Review, bob: Any) -> None:
        for steer in (operations.force, operations.pause, operations.resume, operations.repin):
            with pytest.raises(PermissionMissing):
                steer(review_id=review.pk, by=bob, now=NOW)

    def test_is_for_what_still_goes_on(self, review: Review, oscar: Any, bob: Any, say: Any) -> None:
        with pytest.raises(NotSteerable):
            operations.resume(review_id=review.pk, by=oscar, now=NOW)
        say(review, bob)
        with pytest.raises(NotSteerable):
            operations.force(review_id=review.pk, by=oscar, now=NOW)


class TestEnd:
    @pytest.mark.parametrize(
        ("action", "status"),
        [
            ("reject", "rejected"),
            ("expire", "expired"),
            ("cancel_run", "expired"),
            ("pause_agent", "pending"),
            ("keep_pending", "pending"),
        ],
    )
    def test_of_an_escalation_never_approves(
        self, open_review: Open, agent: Any, action: str, status: str
    ) -> None:
        save([{"step": "final", "action": action}])
        review = with_run(open_review(), agent)
        run(10, 20, 600, 1000)
        review.refresh_from_db()
        assert review.status == status
        assert not Vote.objects.filter(review=review).exists()
        run(3600)
        review.refresh_from_db()
        assert review.status in {"rejected", "expired"}
        assert review.consumed_at is None

    @pytest.mark.parametrize(
        ("action", "signal"),
        [("cancel_run", signals.run_to_cancel), ("pause_agent", signals.agent_to_pause)],
    )
    def test_asks_what_stands_above(self, open_review: Open, agent: Any, action: str, signal: Any) -> None:
        heard: list[Any] = []

        def hear(review: Review, now: datetime, **_kwargs: Any) -> None:
            heard.append((review.pk, now))

        signal.connect(hear)
        save([{"step": "final", "action": action}])
        review = with_run(open_review(), agent)
        run(10)
        signal.disconnect(hear)
        assert heard == [(review.pk, later(10))]
        assert review.run_id is not None
        ended = Run.objects.get(pk=review.run_id).status == Run.Status.CANCELLED
        assert ended == (action == "cancel_run")
        assert Halt.objects.standing().filter(agent=agent).exists() == (action == "pause_agent")

    def test_raises_the_priority_and_shortens_the_clock(self, open_review: Open) -> None:
        save([{"step": "raise_priority", "to": "critical"}, WAIT])
        review = open_review()
        run(10)
        review.refresh_from_db()
        assert (review.priority, review.due_at) == ("critical", later(300))

    def test_of_a_review_that_expires_stops_the_escalation(self, review: Review) -> None:
        run(3600, 3605)
        review.refresh_from_db()
        assert (review.status, state(review).status) == ("expired", "stopped")
        run(3610)
        assert not Timer.objects.exists()


class TestPolicies:
    def test_are_one_default_at_most(self) -> None:
        from django.core.exceptions import ValidationError

        save([BOB], name="First", is_default=True)
        with pytest.raises(ValidationError):
            save([BOB], name="Second", is_default=True)
        assert EscalationPolicy.objects.count() == 1
