"""Stored steps are damaged: what the audit log proves is rebuilt, and no effect happens twice."""

import io
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from agents.runs import checksum, operations, recovery
from agents.runs.models import Run, Step
from governance.audit.models import AuditEvent
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Probe
from tests.agents.workbench import (
    LATER,
    Start,
    Work,
    crash,
    crashes,
    elsewhere,
    proposes,
    refresh,
    requeue,
    review_of,
    say,
    told,
    trail,
)
from tests.governance.samples import NOW

DAMAGE: dict[str, Any] = {
    "kind": "person",
    "status": "failed",
    "name": "other",
    "call_id": "call_9",
    "request": {"arguments": {"amount": 9}, "parsed": True, "digest": "0"},
    "result": {"text": "Forged.", "calls": [], "content": "Forged."},
    "attempts": 9,
    "input_tokens": 999,
    "output_tokens": 999,
    "checksum": "0" * 64,
    "review_id": uuid.UUID(int=7),
}


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def paused(probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any) -> Callable[..., Run]:
    """Return a function that brings a run to where it is paused after the call of a tool, at two steps."""

    def bring(name: str = "strike") -> Run:
        proposes(model, name)
        run = start("go")
        probe.during = lambda: elsewhere(
            lambda: operations.pause(run=refresh(run), user=oscar, reason="", now=NOW)
        )
        run = work(run)
        assert (run.status, run.steps.count(), probe.names()) == (Run.Status.PAUSED, 2, [name])
        return run

    return bring


def damage(run: Run, at: int, /, **changes: Any) -> None:
    """Change a stored step behind everybody's back."""
    assert Step.objects.filter(run=run, number=at).update(**changes)


def go_on(run: Run, work: Work, user: Any) -> Run:
    operations.resume(run=refresh(run), user=user, now=NOW)
    return work(run)


def recover(*options: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("runs", "recover", "--tenant", "acme", "--json", *options, stdout=out)
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


class TestChecksum:
    def test_covers_every_column_that_the_engine_reads(self) -> None:
        columns = {field.attname for field in Step._meta.concrete_fields}
        assert columns - set(checksum.COVERED) == {
            "id",
            "run_id",
            "review_id",
            "checksum",
            "created_at",
            "finished_at",
        }
        assert set(DAMAGE) | {"number"} == {*checksum.COVERED, "checksum", "review_id"}

    @pytest.mark.parametrize("column", [*DAMAGE, "number"])
    def test_shows_damage_in(self, paused: Callable[..., Run], column: str) -> None:
        run = paused()
        assert recovery.damaged(run) == []
        damage(run, 2, **{column: DAMAGE.get(column, 12)})
        assert recovery.damaged(run) != []


class TestDamagedStep:
    @pytest.mark.parametrize("number", [1, 2])
    @pytest.mark.parametrize("column", list(DAMAGE))
    def test_is_rebuilt_from_the_audit_log_and_nothing_is_repeated(
        self,
        paused: Callable[..., Run],
        probe: type[Probe],
        model: FakeModel,
        work: Work,
        oscar: Any,
        column: str,
        number: int,
    ) -> None:
        run = paused()
        before = Step.objects.get(run=run, number=number)
        damage(run, number, **{column: DAMAGE[column]})
        run = go_on(run, work, oscar)
        assert (run.status, run.output["answer"]) == (Run.Status.SUCCEEDED, "Done.")
        assert run.output["notice"] == recovery.NOTICE
        assert (probe.names(), len(model.requests), run.steps.count()) == (["strike"], 2, 3)
        assert told(model)[0]["content"] == '{"done": "strike"}', "the model is told what the tool said"
        (event,) = AuditEvent.objects.filter(run_id=run.pk, action="run.restored")
        assert (event.outcome, event.body["rebuilt"], event.body["dropped"]) == ("restored", [number], [])
        after = Step.objects.get(run=run, number=number)
        assert checksum.is_intact(after)
        for kept in ("kind", "status", "call_id", "result"):
            if kept != "result" or before.kind == "model":
                assert getattr(after, kept) == getattr(before, kept), kept
        assert recovery.damaged(run) == []

    def test_that_was_put_back_with_a_fitting_checksum_is_not_carried_out_again(
        self, paused: Callable[..., Run], probe: type[Probe], model: FakeModel, work: Work, oscar: Any
    ) -> None:
        run = paused()
        step = Step.objects.get(run=run, number=2)
        step.status, step.result = Step.Status.PLANNED, None
        damage(run, 2, status=step.status, result=None, checksum=checksum.of(step))
        run = go_on(run, work, oscar)
        assert (run.status, probe.names()) == (Run.Status.SUCCEEDED, ["strike"])
        assert told(model)[0]["content"] == '{"done": "strike"}'
        (event,) = AuditEvent.objects.filter(run_id=run.pk, action="run.restored")
        assert event.body["rebuilt"] == [2]

    def test_of_a_call_that_may_be_repeated_is_dropped_where_nothing_proves_it(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "peek")
        run = start("go")
        crashes(run, work)
        damage(run, 2, name="other")
        run = work(run, at=LATER)
        assert (run.status, probe.names(), len(model.requests)) == (Run.Status.SUCCEEDED, ["peek", "peek"], 2)
        (event,) = AuditEvent.objects.filter(run_id=run.pk, action="run.restored")
        assert (event.outcome, event.body["dropped"]) == ("restored", [2])
        assert event.body["found"]["2"]["name"] == "other", "the damaged row is on record"

    def test_of_a_call_that_must_not_be_repeated_ends_the_run_where_nothing_proves_it(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")
        crashes(run, work)
        damage(run, 2, status="planned")
        run = work(run, at=LATER)
        assert (run.status, run.error["code"], probe.names()) == (Run.Status.FAILED, "state-lost", ["strike"])

    def test_of_a_call_that_repeats_safely_under_its_own_key_alone_ends_the_run_where_nothing_proves_it(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "tap")
        run = start("go")
        crashes(run, work)
        damage(run, 2, name="other")
        run = work(run, at=LATER)
        assert (run.status, run.error["code"], probe.names()) == (Run.Status.FAILED, "state-lost", ["tap"])

    def test_in_another_place_ends_the_run_if_a_call_had_an_effect(
        self, paused: Callable[..., Run], probe: type[Probe], work: Work, oscar: Any
    ) -> None:
        run = paused()
        damage(run, 2, number=12)
        run = go_on(run, work, oscar)
        assert (run.status, run.error["code"], probe.names()) == (Run.Status.FAILED, "state-lost", ["strike"])

    def test_before_a_call_that_had_an_effect_ends_the_run_if_it_cannot_be_rebuilt(
        self, paused: Callable[..., Run], probe: type[Probe], work: Work, oscar: Any
    ) -> None:
        run = paused()
        damage(run, 1, number=12)
        run = go_on(run, work, oscar)
        assert (run.status, run.error["code"], probe.names()) == (Run.Status.FAILED, "state-lost", ["strike"])

    def test_that_is_the_first_means_a_fresh_start_with_a_notice(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        from tests.agents.fake_model import Fault

        model.script(Fault(status=503), text("Done."))
        run = work(start("go"))
        damage(run, 1, request={"digest": "0"})
        run = work(run, at=LATER)
        assert run.output == {"answer": "Done.", "notice": recovery.NOTICE}
        (event,) = AuditEvent.objects.filter(run_id=run.pk, action="run.restored")
        assert (event.outcome, event.body["dropped"]) == ("fresh-start", [1])

    def test_that_people_are_asked_about_is_proposed_again_and_the_old_review_is_withdrawn(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        proposes(model, "seal")
        run = work(start("go"))
        old = review_of(run)
        damage(run, 2, request={"arguments": {"amount": 9}, "parsed": True})
        report = recover("--run", str(run.pk))
        assert (report["damaged"][0]["repaired"], refresh(run).status) == (True, Run.Status.QUEUED)
        run = work(run, at=LATER)
        old.refresh_from_db()
        assert (old.status, run.status, review_of(run).arguments) == ("cancelled", Run.Status.WAITING, {})
        say(run, bob, "approve")
        assert (work(run, at=LATER).status, probe.names()) == (Run.Status.SUCCEEDED, ["seal"])


class TestMissingStep:
    def test_between_others_is_noticed_and_a_call_is_not_repeated(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        model.script(calls(("strike", {}), ("peek", {})), text("Done."))
        run = start("go")

        def each() -> None:
            if len(probe.entered) == 2:
                elsewhere(lambda: operations.pause(run=refresh(run), user=oscar, reason="", now=NOW))

        probe.each_time = each
        run = work(run)
        assert (run.status, run.steps.count()) == (Run.Status.PAUSED, 3)
        Step.objects.filter(run=run, number=2).delete()
        run = go_on(run, work, oscar)
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "state-lost")
        assert probe.names() == ["strike", "peek"]

    def test_that_had_no_effect_is_made_again(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        model.script(calls(("peek", {}), ("glance", {})), text("Done."))
        run = start("go")

        def each() -> None:
            if len(probe.entered) == 2:
                elsewhere(lambda: operations.pause(run=refresh(run), user=oscar, reason="", now=NOW))

        probe.each_time = each
        run = work(run)
        Step.objects.filter(run=run, number=2).delete()
        run = go_on(run, work, oscar)
        assert (run.status, probe.names()) == (Run.Status.SUCCEEDED, ["peek", "glance"] * 2)
        (event,) = AuditEvent.objects.filter(run_id=run.pk, action="run.restored")
        assert event.body["found"]["3"]["name"] == "glance", "what is dropped is on record, damaged or not"


class TestCommand:
    def test_tries_first_what_it_would_do_and_changes_nothing(self, paused: Callable[..., Run]) -> None:
        run = paused()
        damage(run, 2, result={"content": "Forged."})
        report = recover("--dry-run")
        (found,) = [item for item in report["damaged"] if item["run"] == str(run.pk)]
        assert (found["steps"], found["repaired"]) == ([2], False)
        assert recovery.damaged(run) == [2]
        operations.cancel(run=run, user=run.requester, now=NOW)

    def test_repairs_one_run(
        self, paused: Callable[..., Run], work: Work, probe: type[Probe], oscar: Any
    ) -> None:
        run = paused()
        damage(run, 2, result={"content": "Forged."})
        (found,) = recover("--run", str(run.pk))["damaged"]
        assert (found["repaired"], recovery.damaged(run)) == (True, [])
        assert (go_on(run, work, oscar).status, probe.names()) == (Run.Status.SUCCEEDED, ["strike"])

    def test_names_the_run_that_cannot_be_repaired_and_leaves_it_as_it_is(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")
        crashes(run, work)
        damage(run, 2, status="planned")
        with pytest.raises(CommandError, match=str(run.pk)) as error:
            recover("--run", str(run.pk))
        assert (error.value.returncode, recovery.damaged(run)) == (1, [2])
        work(run, at=LATER)

    def test_does_not_touch_a_run_that_a_worker_has(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "peek")
        run = start("go")
        probe.during = crash
        with pytest.raises(probes.Crash):
            work(run)
        damage(run, 1, input_tokens=999)
        with pytest.raises(Exception, match="A worker has the run"):
            recovery.recover(run.pk, now=NOW)
        requeue(run)
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED

    def test_of_a_run_or_a_tenant_that_does_not_exist_says_so(self, acme: Any) -> None:
        with pytest.raises(CommandError, match="There is no run"):
            recover("--run", str(uuid.UUID(int=1)))
        with pytest.raises(CommandError, match="No tenant nowhere"):
            call_command("runs", "recover", "--tenant", "nowhere")


class TestJournal:
    @pytest.mark.parametrize("times", [1, 5])
    def test_gives_back_answers_and_results_however_often_the_run_is_taken_up(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any, times: int
    ) -> None:
        model.script(*[calls(("peek", {}))] * 4, text("Done."))
        run = start("go")

        def each() -> None:
            if len(probe.entered) == 4:
                elsewhere(lambda: operations.pause(run=refresh(run), user=oscar, reason="", now=NOW))

        probe.each_time = each
        run = work(run)
        for _ in range(times):
            Run.objects.filter(pk=run.pk).update(status="queued", pause_requested=True)
            assert work(run).status == Run.Status.PAUSED
        assert (len(model.requests), len(probe.entered)) == (4, 4)
        assert go_on(run, work, oscar).status == Run.Status.SUCCEEDED
        assert (len(model.requests), len(probe.entered)) == (5, 4)
        assert trail(run).count("model.replied") == 5
