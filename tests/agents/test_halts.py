"""Kill switches: who trips and lifts them, what they cover, and what becomes of runs."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from agents.catalog.models import Agent
from agents.catalog.operations import create_agent
from agents.halts import operations, platform, standing
from agents.halts.models import Halt
from agents.halts.operations import AlreadyHalted, AlreadyLifted
from agents.runs.models import Run
from governance.access.models import User
from governance.audit.models import AuditEvent
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import Channel, DecisionVerb, Response
from tenants.kernel.context import platform_context, tenant_context
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tenants.tenancy.models import PlatformHalt
from tests.governance.samples import NOW, proposal

LATER = NOW + timedelta(minutes=5)
MakeRun = Callable[..., Run]


@pytest.fixture
def other(alice: Any) -> Agent:
    """Return a second agent of Acme."""
    return create_agent(name="Other", blueprint="assistant", owner=alice)


@pytest.fixture
def make_run(agent: Any, oscar: Any) -> MakeRun:
    """Return a function that stores a run of Acme's agent, by default a queued one."""

    def make(*, of: Agent = agent, **fields: Any) -> Run:
        given = {"snapshot": {"agent": of.name}, "input": {}, "trace_id": "", **fields}
        return Run.objects.create(
            agent=of, agent_version=1, requester=oscar, created_at=NOW, updated_at=NOW, **given
        )

    return make


@pytest.fixture
def operator(db: None) -> Iterator[Any]:
    """Run the test in the platform's schema; return one of its operators."""
    with platform_context():
        yield User.objects.create(username="paula", is_superuser=True, is_staff=True)


def trip(by: Any, *, agent: Agent | None = None, reason: str = "It refunds too much") -> Halt:
    return operations.trip(agent=agent, reason=reason, by=by, now=NOW)


def lift(halt: Halt, by: Any) -> Halt:
    return operations.lift(halt=halt, by=by, now=LATER)


def seen(run: Run) -> tuple[str, str]:
    stored = Run.objects.get(pk=run.pk)
    return stored.status, stored.pause_reason


def standing_over(run: Run, *, schema: str = "acme") -> list[dict[str, str]]:
    """Return what a worker's fence would read."""
    statement = (
        f"UPDATE agents_run SET updated_at = updated_at WHERE id = %(id)s RETURNING {standing.STANDING_SQL}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, {"id": run.pk, "schema": schema})
        ((found,),) = cursor.fetchall()
    return list(json.loads(found) if isinstance(found, str) else found)


def waiting_for_review(run: Run, user: Any) -> Review:
    """Give the run a step that waits for people."""
    from governance import gate
    from hitl.reviews.types import ReviewRequest

    decision = gate.authorize(proposal(agent=run.agent, user=user), now=NOW)
    asked = ReviewRequest(decision=decision, evidence={}, expires_at=NOW + timedelta(hours=1))
    review = reviews.request_review(request=asked, now=NOW)
    Review.objects.filter(pk=review.pk).update(run_id=run.pk)
    run.steps.create(
        number=1,
        kind="tool",
        name="refund_order",
        status="waiting",
        request={},
        review_id=review.pk,
        created_at=NOW,
    )
    return Review.objects.get(pk=review.pk)


class TestTrip:
    def test_pauses_what_is_queued_and_says_why(self, oscar: Any, make_run: MakeRun) -> None:
        run = make_run()
        halt = trip(oscar)
        assert (halt.by, halt.at, halt.agent, halt.lifted_at) == (oscar, NOW, None, None)
        assert seen(run) == ("paused", "Kill switch: It refunds too much (by oscar)")

    def test_leaves_what_is_not_queued_to_the_workers(self, oscar: Any, make_run: MakeRun) -> None:
        runs = {status: make_run(status=status) for status in Run.Status if status != "queued"}
        trip(oscar)
        assert {status: seen(run) for status, run in runs.items()} == {
            status: (status, "") for status in runs
        }

    def test_of_an_agent_leaves_the_others_alone(
        self, oscar: Any, agent: Any, other: Agent, make_run: MakeRun
    ) -> None:
        mine, theirs = make_run(), make_run(of=other)
        trip(oscar, agent=agent)
        assert (seen(mine)[0], seen(theirs)[0]) == ("paused", "queued")

    def test_is_on_record_with_who_and_why(self, oscar: Any, agent: Any, make_run: MakeRun) -> None:
        make_run()
        queued = Run.objects.filter(status="queued").count()
        halt = trip(oscar, agent=agent)
        event = AuditEvent.objects.get(action="halt.tripped", subject_id=str(halt.pk))
        assert (event.actor_name, event.agent_name, event.at) == ("oscar", agent.name, NOW)
        assert event.body == {"scope": agent.name, "reason": "It refunds too much", "paused": queued}

    def test_is_on_record_of_each_run_it_paused(self, oscar: Any, make_run: MakeRun) -> None:
        run = make_run(trace_id="t")
        halt = trip(oscar)
        event = AuditEvent.objects.get(action="run.paused", run_id=run.pk)
        assert (event.actor_name, event.outcome, event.trace_id) == ("oscar", "paused", "t")
        assert event.body == {"reason": "Kill switch: It refunds too much (by oscar)", "halt": str(halt.pk)}

    def test_is_on_record_of_the_first_runs_only(
        self, oscar: Any, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(operations, "MAX_RUN_EVENTS", 2)
        for _ in range(3):
            make_run()
        queued = Run.objects.filter(status="queued").count()
        halt = trip(oscar)
        assert AuditEvent.objects.filter(action="run.paused").count() == 2
        event = AuditEvent.objects.get(action="halt.tripped", subject_id=str(halt.pk))
        assert event.body["paused"] == queued

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 201, "a\x00b"])
    def test_needs_a_reason(self, oscar: Any, reason: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            trip(oscar, reason=reason)
        assert caught.value.errors[0]["at"] == "/reason"
        assert not Halt.objects.exists()

    @pytest.mark.parametrize("who", ["vera", "charlie", "audrey", "bob"])
    def test_is_refused_to_who_may_not(self, who: str, person: Any, make_run: MakeRun) -> None:
        run = make_run()
        with pytest.raises(PermissionMissing):
            trip(person(who))
        assert seen(run) == ("queued", "")

    def test_again_over_the_same_is_refused(self, oscar: Any, alice: Any, agent: Any) -> None:
        for scope in (None, agent):
            trip(oscar, agent=scope)
            with pytest.raises(AlreadyHalted):
                trip(alice, agent=scope)
        assert Halt.objects.count() == 2

    def test_may_follow_one_that_was_lifted(self, oscar: Any) -> None:
        lift(trip(oscar), oscar)
        trip(oscar)
        assert Halt.objects.filter(lifted_at=None).count() == 1


class TestLift:
    def test_lets_the_runs_go_on(self, oscar: Any, alice: Any, make_run: MakeRun) -> None:
        run = make_run(wake_at=LATER)
        halt = lift(trip(oscar), alice)
        assert (halt.lifted_at, halt.lifted_by) == (LATER, alice)
        assert seen(run) == ("queued", "")
        stored = Run.objects.get(pk=run.pk)
        assert (stored.updated_at, stored.wake_at) == (LATER, LATER)

    def test_rings_for_them(
        self, oscar: Any, make_run: MakeRun, django_capture_on_commit_callbacks: Any
    ) -> None:
        make_run()
        halt = trip(oscar)
        with django_capture_on_commit_callbacks() as callbacks:
            lift(halt, oscar)
        assert any("enqueue" in callback.__qualname__ for callback in callbacks)

    def test_leaves_those_that_another_halt_covers(
        self, oscar: Any, agent: Any, other: Agent, make_run: MakeRun
    ) -> None:
        mine, theirs = make_run(), make_run(of=other)
        everything, one = trip(oscar), trip(oscar, agent=agent)
        lift(everything, oscar)
        assert (seen(mine)[0], seen(theirs)[0]) == ("paused", "queued")
        lift(one, oscar)
        assert seen(mine) == ("queued", "")

    def test_leaves_those_that_a_person_paused(self, oscar: Any, make_run: MakeRun) -> None:
        run = make_run(status="paused", pause_reason="oscar paused it")
        lift(trip(oscar), oscar)
        assert seen(run) == ("paused", "oscar paused it")

    def test_lets_a_run_wait_whose_review_is_undecided(self, oscar: Any, make_run: MakeRun) -> None:
        run = make_run(status="paused", pause_reason="Kill switch: x (by oscar)")
        waiting_for_review(run, oscar)
        lift(trip(oscar), oscar)
        assert seen(run) == ("waiting", "")

    def test_queues_a_run_whose_review_was_decided_meanwhile(
        self, oscar: Any, person: Any, make_run: MakeRun
    ) -> None:
        run = make_run(status="paused", pause_reason="Kill switch: x (by oscar)")
        review = waiting_for_review(run, oscar)
        halt = trip(oscar)
        response = Response(verb=DecisionVerb.APPROVE, channel=Channel.API)
        reviews.respond(review_id=review.pk, reviewer=person("bob"), response=response, now=NOW)
        assert seen(run)[0] == "paused"
        lift(halt, oscar)
        assert seen(run) == ("queued", "")

    def test_is_on_record_with_who_and_why(self, oscar: Any, alice: Any, make_run: MakeRun) -> None:
        make_run()
        queued = Run.objects.filter(status="queued").count()
        halt = lift(trip(oscar), alice)
        event = AuditEvent.objects.get(action="halt.lifted", subject_id=str(halt.pk))
        assert (event.actor_name, event.at, event.body["resumed"]) == ("alice", LATER, queued)

    def test_is_refused_to_who_may_not(self, oscar: Any, person: Any, make_run: MakeRun) -> None:
        run = make_run()
        halt = trip(oscar)
        for who in ("vera", "charlie", "audrey", "bob"):
            with pytest.raises(PermissionMissing):
                lift(halt, person(who))
        assert seen(run)[0] == "paused"

    def test_is_done_once(self, oscar: Any, alice: Any) -> None:
        halt = trip(oscar)
        lift(Halt.objects.get(pk=halt.pk), alice)
        with pytest.raises(AlreadyLifted):
            lift(Halt.objects.get(pk=halt.pk), oscar)
        assert Halt.objects.get(pk=halt.pk).lifted_by == alice


class TestResumeUnhalted:
    def test_finds_what_a_worker_paused_while_the_halt_was_lifted(self, make_run: MakeRun) -> None:
        run = make_run(status="paused", pause_reason="Kill switch: x (by oscar)")
        assert operations.resume_unhalted(LATER) == 1
        assert seen(run) == ("queued", "")
        assert operations.resume_unhalted(LATER) == 0

    def test_leaves_what_a_halt_covers(self, oscar: Any, agent: Any, make_run: MakeRun) -> None:
        make_run()
        trip(oscar, agent=agent)
        assert operations.resume_unhalted(LATER) == 0

    @pytest.mark.parametrize(("schema", "resumed"), [("", 0), ("acme", 0), ("globex", 1)])
    def test_leaves_what_the_platform_stopped(
        self, schema: str, resumed: int, make_run: MakeRun, operator: Any, acme: Any
    ) -> None:
        platform.trip(schema=schema, reason="incident", by=operator, now=NOW)
        with tenant_context(acme):
            make_run(status="paused", pause_reason="Kill switch: x (by paula)")
            assert operations.resume_unhalted(LATER) == resumed


class TestStanding:
    def test_is_empty_while_nothing_is_halted(self, make_run: MakeRun) -> None:
        assert standing_over(make_run()) == []

    def test_is_the_agents_and_the_tenants(
        self, oscar: Any, agent: Any, other: Agent, make_run: MakeRun
    ) -> None:
        trip(oscar, agent=agent, reason="this one")
        assert standing_over(make_run()) == [{"scope": "agent", "reason": "this one", "by": "oscar"}]
        assert standing_over(make_run(of=other)) == []
        trip(oscar, reason="all")
        assert [halt["scope"] for halt in standing_over(make_run(of=other))] == ["tenant"]
        assert {halt["scope"] for halt in standing_over(make_run())} == {"agent", "tenant"}

    def test_ends_when_it_is_lifted(self, oscar: Any, make_run: MakeRun) -> None:
        lift(trip(oscar), oscar)
        assert standing_over(make_run()) == []

    def test_of_one_tenant_is_not_another_tenants(self, make_run: MakeRun, globex_tenant: Any) -> None:
        with tenant_context(globex_tenant):
            trip(User.objects.create(username="grace", is_superuser=True, is_staff=True))
        assert standing_over(make_run()) == []

    @pytest.mark.parametrize(("schema", "stands"), [("", True), ("acme", True), ("globex", False)])
    def test_of_the_platform_covers_one_tenant_or_all(
        self, schema: str, stands: bool, make_run: MakeRun, acme: Any, operator: Any
    ) -> None:
        halt = platform.trip(schema=schema, reason="incident", by=operator, now=NOW)
        with tenant_context(acme):
            run = make_run()
            expected = [{"scope": "platform", "reason": "incident", "by": "paula"}]
            assert standing_over(run) == (expected if stands else [])
        platform.lift(halt=halt, by=operator, now=LATER)
        with tenant_context(acme):
            assert standing_over(run) == []


class TestPauseReason:
    def test_says_why_and_by_whom(self) -> None:
        assert (
            standing.pause_reason("too many refunds", "oscar") == "Kill switch: too many refunds (by oscar)"
        )

    def test_fits_its_column_and_keeps_its_beginning(self) -> None:
        said = standing.pause_reason("x" * 200, "y" * 150)
        assert len(said) == 200
        assert said.startswith(standing.PREFIX)

    def test_of_nothing_that_stands_is_empty(self) -> None:
        assert standing.pause_reason_of([]) == ""
        assert (
            standing.pause_reason_of([{"scope": "tenant", "reason": "r", "by": "b"}])
            == "Kill switch: r (by b)"
        )


class TestPlatform:
    def test_trips_and_lifts_on_record_in_its_own_log(self, operator: Any) -> None:
        halt = platform.trip(schema="", reason="incident", by=operator, now=NOW)
        platform.lift(halt=halt, by=operator, now=LATER)
        events = AuditEvent.objects.filter(subject_kind="platformhalt", subject_id=str(halt.pk)).order_by(
            "id"
        )
        assert [(event.action, event.actor_name) for event in events] == [
            ("halt.tripped", "paula"),
            ("halt.lifted", "paula"),
        ]
        assert events[0].body == {"scope": "All tenants", "reason": "incident"}
        stored = PlatformHalt.objects.get(pk=halt.pk)
        assert (stored.by, stored.lifted_by, stored.lifted_at) == ("paula", "paula", LATER)

    def test_is_not_for_a_tenants_superuser(self, acme: Any, person: Any) -> None:
        owner = User.objects.get(username="alice")
        assert owner.is_superuser
        with pytest.raises(PermissionMissing):
            platform.trip(schema="", reason="mine", by=owner, now=NOW)

    def test_is_not_for_people_of_the_platform_without_the_permission(self, platform: None) -> None:
        from agents.halts import platform as halts

        nobody = User.objects.create(username="norman")
        with pytest.raises(PermissionMissing):
            halts.trip(schema="", reason="why not", by=nobody, now=NOW)

    @pytest.mark.parametrize("schema", ["nowhere", "public", "ACME"])
    def test_refuses_a_tenant_that_is_not_there(self, operator: Any, schema: str) -> None:
        with pytest.raises(InvalidInput, match=r"Known: .*acme"):
            platform.trip(schema=schema, reason="incident", by=operator, now=NOW)

    def test_refuses_what_stands_or_was_lifted_already(self, operator: Any) -> None:
        halt = platform.trip(schema="acme", reason="incident", by=operator, now=NOW)
        with pytest.raises(AlreadyHalted):
            platform.trip(schema="acme", reason="again", by=operator, now=NOW)
        platform.lift(halt=halt, by=operator, now=LATER)
        with pytest.raises(AlreadyLifted):
            platform.lift(halt=halt, by=operator, now=LATER)
