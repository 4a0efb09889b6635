"""Workers die, lose their runs and meet broken parts: no effect happens twice, and none goes unrecorded."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from agents.blueprints import registry as blueprints
from agents.blueprints.assistant import AssistantAgent
from agents.blueprints.base import Action, RunContext, ToolTurn
from agents.runs import advance, lease, operations
from agents.runs.hold import Hold
from agents.runs.models import Run, Step
from agents.runs.turns import ModelWork
from governance.audit.models import AuditEvent
from hitl.reviews.models import Review
from tenants.kernel.context import schema_tenant, tenant_context
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Crash, Probe
from tests.governance.clones import as_owner
from tests.governance.samples import NOW

LATER = NOW + timedelta(seconds=lease.seconds() + 1)
Start = Callable[..., Run]
Work = Callable[..., Run]


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


class Stubborn(AssistantAgent):
    """Fails to plan once a tool has run."""

    name = "stubborn"
    description = "Fails after its first tool."

    def plan(self, context: RunContext) -> Action:
        """Plan, or fail."""
        if any(isinstance(turn, ToolTurn) for turn in context.history):
            raise ArithmeticError("no plan")
        return super().plan(context)


@pytest.fixture
def stubborn() -> Iterator[None]:
    """Register the stubborn blueprint."""
    blueprints.REGISTRY._paths["stubborn"] = f"{__name__}:Stubborn"
    blueprints.REGISTRY._loaded["stubborn"] = Stubborn
    yield
    del blueprints.REGISTRY._paths["stubborn"], blueprints.REGISTRY._loaded["stubborn"]


def refresh(run: Run) -> Run:
    return Run.objects.select_related("requester").get(pk=run.pk)


def requeue(run: Run) -> None:
    """Give the run to another worker, as the sweeper does when a lease is over."""
    operations.requeue(run=refresh(run), now=LATER)


def elsewhere(action: Callable[[], Any]) -> None:
    """Do something in another process: here, on a connection of another thread."""

    def work() -> None:
        with tenant_context(schema_tenant("acme")):
            action()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def tool_step(run: Run) -> Step:
    return run.steps.get(kind="tool")


def review_of(run: Run) -> Review:
    return Review.objects.filter(run_id=run.pk).latest("id")


def trail(run: Run) -> list[str]:
    return [event.action for event in AuditEvent.objects.filter(run_id=run.pk).order_by("id")]


def proposes(model: FakeModel, name: str, *more: Any) -> None:
    model.script(calls((name, {})), *more, text("Done."))


class TestWorkerDies:
    def test_in_a_tool_that_must_not_be_repeated(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")

        def die() -> None:
            raise Crash

        probe.during = die
        with pytest.raises(Crash):
            work(run)
        assert (refresh(run).status, tool_step(run).status) == (Run.Status.RUNNING, Step.Status.EXECUTING)
        assert work(run).status == Run.Status.RUNNING, "another ring does not take the run away"
        assert run in Run.objects.stalled(LATER, grace_s=5)
        requeue(run)
        run = work(run, at=LATER)
        assert (run.status, tool_step(run).status) == (Run.Status.WAITING, Step.Status.UNKNOWN)
        assert (review_of(run).kind, review_of(run).status) == ("outcome", "pending")
        assert len(probe.entered) == 1
        assert trail(run)[-3:] == ["run.recovered", "tool.unknown", "review.requested"]

    def test_in_a_tool_that_may_be_repeated(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "peek")
        run = start("go")

        def die() -> None:
            raise Crash

        probe.during = die
        with pytest.raises(Crash):
            work(run)
        requeue(run)
        run = work(run, at=LATER)
        assert (run.status, tool_step(run).status) == (Run.Status.SUCCEEDED, Step.Status.SUCCEEDED)
        first, second = (context.idempotency_key for _, context in probe.entered)
        assert first == second == str(tool_step(run).pk)

    def test_before_the_model_answered(self, model: FakeModel, start: Start, work: Work) -> None:
        run = start("go")
        claimed = lease.claim(str(run.pk), now=NOW)
        assert claimed is not None
        claimed_run, held = claimed
        assert isinstance(advance._resume(Hold(run=claimed_run, held=held, clock=lambda: NOW)), ModelWork)
        requeue(run)
        run = work(run, at=LATER)
        assert (run.status, run.steps.count()) == (Run.Status.SUCCEEDED, 1)

    def test_before_its_first_step(self, start: Start, work: Work) -> None:
        run = start("go")
        assert lease.claim(str(run.pk), now=NOW) is not None
        requeue(run)
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED

    def test_is_noticed_only_when_the_lease_is_over(self, start: Start) -> None:
        run = start("go")
        assert lease.claim(str(run.pk), now=NOW) is not None
        held_until = NOW + timedelta(seconds=lease.seconds())
        assert run not in Run.objects.stalled(held_until, grace_s=5)
        assert run in Run.objects.stalled(held_until + timedelta(seconds=1), grace_s=5)


class TestLostDoorbell:
    def test_is_rung_again_after_a_grace(self, start: Start) -> None:
        run = start("go")
        assert run not in Run.objects.stalled(NOW + timedelta(seconds=4), grace_s=5)
        assert run in Run.objects.stalled(NOW + timedelta(seconds=6), grace_s=5)

    def test_requeues_only_what_did_not_move_meanwhile(self, start: Start, work: Work) -> None:
        run = start("go")
        seen = refresh(run)
        assert work(run).status == Run.Status.SUCCEEDED
        operations.requeue(run=seen, now=LATER)
        assert refresh(run).status == Run.Status.SUCCEEDED


class TestLeaseLost:
    def test_while_the_model_answers_commits_nothing(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        run = start("go")

        def taken() -> dict[str, Any]:
            elsewhere(lambda: requeue(run))
            return calls(("strike", {}))

        model.script(taken, text("Done."))
        assert work(run).status == Run.Status.QUEUED
        (step,) = run.steps.all()
        assert (step.status, step.result, probe.entered) == (Step.Status.EXECUTING, None, [])
        assert work(run, at=LATER).output == {"answer": "Done."}

    def test_by_a_cancel_while_the_model_answers_stays_cancelled(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        run = start("go")

        def cancelled() -> dict[str, Any]:
            elsewhere(lambda: operations.cancel(run=run, user=oscar, now=NOW))
            return calls(("strike", {}))

        model.script(cancelled)
        assert work(run).status == Run.Status.CANCELLED
        assert (probe.entered, trail(run)[-1]) == ([], "run.cancelled")

    def test_while_a_tool_runs_still_records_what_it_did_and_goes_on_from_there(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")
        probe.during = lambda: elsewhere(lambda: requeue(run))
        assert work(run).status == Run.Status.QUEUED
        assert (tool_step(run).status, "tool.succeeded" in trail(run)) == (Step.Status.SUCCEEDED, True)
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED
        assert len(probe.entered) == 1

    def test_by_a_cancel_while_a_tool_runs_still_records_what_it_did(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        proposes(model, "strike")
        run = start("go")
        seen: list[str] = []

        def cancelled() -> None:
            elsewhere(lambda: operations.cancel(run=run, user=oscar, now=NOW))
            seen.append(tool_step(run).status)

        probe.during = cancelled
        assert work(run).status == Run.Status.CANCELLED
        assert seen == [Step.Status.UNKNOWN], "until its worker reports, nobody knows what the call did"
        assert (tool_step(run).status, trail(run)[-1]) == (Step.Status.SUCCEEDED, "tool.succeeded")
        assert work(run, at=LATER).status == Run.Status.CANCELLED
        assert len(probe.entered) == 1

    def test_by_two_workers_in_turn_never_repeats_the_call(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        """The second worker finds the call started and asks people before the first reports."""
        proposes(model, "strike")
        run = start("go")

        def taken() -> None:
            def second() -> None:
                requeue(run)
                advance.advance(run_id=str(run.pk), clock=lambda: LATER)

            elsewhere(second)

        probe.during = taken
        run = work(run)
        assert (run.status, review_of(run).status) == (Run.Status.QUEUED, "cancelled"), "nobody need be asked"
        assert (tool_step(run).status, len(probe.entered)) == (Step.Status.SUCCEEDED, 1)
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED
        assert len(probe.entered) == 1


class TestManyWorkers:
    def test_advance_a_run_once(self, probe: type[Probe], model: FakeModel, start: Start) -> None:
        proposes(model, "strike")
        run = start("go")
        barrier = threading.Barrier(8)

        def work() -> None:
            with tenant_context(schema_tenant("acme")):
                barrier.wait()
                advance.advance(run_id=str(run.pk), clock=lambda: NOW)
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refresh(run).status == Run.Status.SUCCEEDED
        assert (len(probe.entered), len(model.requests)) == (1, 2)


class TestBrokenParts:
    def test_a_plan_that_fails_after_a_tool_leaves_the_tool_on_record(
        self, probe: type[Probe], stubborn: None, model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")
        run.snapshot["blueprint"] = "stubborn"
        run.save()
        run = work(run)
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "internal-error")
        assert (tool_step(run).status, len(probe.entered)) == (Step.Status.SUCCEEDED, 1)
        assert trail(run)[-2:] == ["tool.succeeded", "run.failed"]

    def test_a_decision_that_cannot_be_stored_ends_the_run_and_runs_nothing(
        self, committed: str, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")
        with as_owner(committed) as owner:
            owner.execute("REVOKE INSERT ON acme.governance_policydecision FROM cs_app")
            try:
                run = work(run)
            finally:
                owner.execute("GRANT INSERT ON acme.governance_policydecision TO cs_app")
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "internal-error")
        assert probe.entered == []
        assert not run.steps.filter(status__in=Step.OPEN).exists()

    def test_a_blueprint_that_is_gone_ends_the_run(self, start: Start, work: Work) -> None:
        run = start("go")
        run.snapshot["blueprint"] = "gone"
        run.save()
        run = work(run)
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "unknown-member")

    def test_a_configuration_that_no_longer_fits_ends_the_run(self, start: Start, work: Work) -> None:
        run = start("go")
        run.snapshot["config"] = {"max_turns": "many"}
        run.save()
        assert work(run).status == Run.Status.FAILED

    def test_a_review_that_cannot_be_opened_ends_the_run(
        self, committed: str, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "launch")
        run = start("go")
        with as_owner(committed) as owner:
            owner.execute("REVOKE INSERT ON acme.hitl_review FROM cs_app")
            try:
                run = work(run)
            finally:
                owner.execute("GRANT INSERT ON acme.hitl_review TO cs_app")
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "internal-error")
        assert probe.entered == []
        assert not run.steps.filter(status__in=Step.OPEN).exists()


class TestUnwritableAudit:
    def test_stops_a_run_before_its_effect_until_it_can_be_written(
        self, committed: str, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        from tenants.kernel.errors import AuditUnavailable

        proposes(model, "strike")
        run = start("go")
        with as_owner(committed) as owner:
            owner.execute("REVOKE INSERT ON acme.governance_auditevent FROM cs_app")
            try:
                with pytest.raises(AuditUnavailable):
                    work(run)
            finally:
                owner.execute("GRANT INSERT ON acme.governance_auditevent TO cs_app")
        assert (refresh(run).status, probe.entered) == (Run.Status.RUNNING, [])
        requeue(run)
        proposes(model, "strike")
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED
        assert len(probe.entered) == 1

    def test_after_an_effect_never_repeats_it(
        self, committed: str, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        from tenants.kernel.errors import AuditUnavailable

        proposes(model, "strike")
        run = start("go")
        with as_owner(committed) as owner:
            probe.during = lambda: owner.execute("REVOKE INSERT ON acme.governance_auditevent FROM cs_app")
            try:
                with pytest.raises(AuditUnavailable):
                    work(run)
            finally:
                owner.execute("GRANT INSERT ON acme.governance_auditevent TO cs_app")
        requeue(run)
        run = work(run, at=LATER)
        assert (run.status, review_of(run).kind) == (Run.Status.WAITING, "outcome")
        assert len(probe.entered) == 1
