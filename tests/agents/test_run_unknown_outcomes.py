"""Nobody knows whether a call took effect: a person says so, and nothing else runs it again."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import pytest

from agents.runs import advance, operations
from agents.runs.models import Run, Step
from agents.tools.base import Happened, OutcomeUnknown
from agents.tools.models import Tool
from governance.audit.models import AuditEvent
from hitl.reviews import operations as reviews
from tenants.kernel.errors import PermissionMissing
from tests.agents import probes
from tests.agents.fake_model import FakeModel
from tests.agents.probes import Probe
from tests.agents.workbench import (
    LATER,
    Start,
    Work,
    crashes,
    elsewhere,
    proposes,
    refresh,
    requeue,
    review_of,
    say,
    told,
    tool_step,
    trail,
)
from tests.governance.samples import NOW


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def asked(probe: type[Probe], model: FakeModel, start: Start, work: Work) -> Run:
    """Return a run whose worker died inside `strike`, and that waits for what people say."""
    proposes(model, "strike")
    run = start("go")
    crashes(run, work)
    run = work(run, at=LATER)
    assert (run.status, review_of(run).kind) == (Run.Status.WAITING, "outcome")
    return run


@pytest.fixture
def asked_of_two(probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any, rita: Any) -> Run:
    """Return a run whose worker died inside `launch`, which two people had approved."""
    proposes(model, "launch")
    run = work(start("go"))
    say(run, bob, "approve")
    say(run, rita, "approve")
    crashes(run, work)
    run = work(run, at=LATER)
    assert (run.status, review_of(run).kind) == (Run.Status.WAITING, "outcome")
    return run


class TestItHappened:
    def test_closes_the_call_as_done_and_tells_the_model_who_says_so(
        self, asked: Run, probe: type[Probe], model: FakeModel, work: Work, bob: Any
    ) -> None:
        say(asked, bob, "it_happened", "The bank shows it.")
        run = work(asked, at=LATER)
        assert (run.status, tool_step(run).status) == (Run.Status.SUCCEEDED, Step.Status.SUCCEEDED)
        (result,) = told(model)
        assert "bob confirmed" in result["content"]
        assert "The bank shows it." in result["content"]
        assert probe.names() == ["strike"]


class TestItDidNot:
    def test_closes_the_call_as_failed_and_leaves_what_to_do_to_the_model(
        self, asked: Run, probe: type[Probe], model: FakeModel, work: Work, bob: Any
    ) -> None:
        say(asked, bob, "it_did_not", "Nothing at the bank.")
        run = work(asked, at=LATER)
        assert (run.status, tool_step(run).status) == (Run.Status.SUCCEEDED, Step.Status.FAILED)
        (result,) = told(model)
        assert "did-not-happen" in result["content"]
        assert "Nothing at the bank." in result["content"]
        assert probe.names() == ["strike"]


class TestRetry:
    def test_runs_the_call_once_more_under_the_same_key(
        self, asked: Run, probe: type[Probe], work: Work, bob: Any
    ) -> None:
        say(asked, bob, "retry", "Run it.")
        run = work(asked, at=LATER)
        assert (run.status, tool_step(run).status) == (Run.Status.SUCCEEDED, Step.Status.SUCCEEDED)
        assert probe.keys() == [str(tool_step(run).pk)] * 2
        work(run, at=LATER)
        assert len(probe.entered) == 2

    def test_of_a_critical_call_needs_two_people(
        self, asked_of_two: Run, probe: type[Probe], work: Work, bob: Any, rita: Any
    ) -> None:
        assert review_of(asked_of_two).required == 2
        say(asked_of_two, bob, "retry")
        assert work(asked_of_two, at=LATER).status == Run.Status.WAITING
        assert len(probe.entered) == 1
        say(asked_of_two, rita, "retry")
        run = work(asked_of_two, at=LATER)
        assert (run.status, len(probe.entered)) == (Run.Status.SUCCEEDED, 2)
        assert len(set(probe.keys())) == 1

    def test_that_crashes_too_asks_again_and_the_spent_approval_buys_nothing(
        self, asked: Run, probe: type[Probe], work: Work, bob: Any
    ) -> None:
        first = review_of(asked)
        say(asked, bob, "retry")
        crashes(asked, work, at=LATER)
        run = work(asked, at=LATER)
        assert (run.status, len(probe.entered)) == (Run.Status.WAITING, 2)
        second = review_of(run)
        assert (second.kind, second.status, second.pk != first.pk) == ("outcome", "pending", True)
        first.refresh_from_db()
        assert first.consumed_at is not None
        say(run, bob, "it_happened")
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED
        assert len(probe.entered) == 2

    def test_is_refused_where_the_tool_was_disabled_meanwhile(
        self, asked: Run, probe: type[Probe], agent: Any, work: Work, bob: Any
    ) -> None:
        say(asked, bob, "retry")
        Tool.objects.filter(name="strike").update(enabled=False)
        try:
            work(asked, at=LATER)
        finally:
            Tool.objects.filter(name="strike").update(enabled=True)
        assert len(probe.entered) == 1


class TestTheQuestion:
    def test_shows_the_call_as_it_was_permitted(self, asked: Run) -> None:
        review = review_of(asked)
        assert (review.tool, review.arguments, review.required) == ("strike", {}, 1)
        assert "worker was lost" in review.reason
        assert review.evidence["steps"][-1]["name"] == "strike"

    def test_is_not_for_the_requester(self, asked: Run, person: Any) -> None:
        oscar = person("oscar", "hitl.decide_review")
        with pytest.raises(PermissionMissing):
            say(asked, oscar, "it_happened")

    def test_that_nobody_answers_ends_the_run_and_repeats_nothing(
        self, asked: Run, probe: type[Probe], work: Work
    ) -> None:
        reviews.expire(review=review_of(asked), now=NOW + timedelta(days=8))
        run = work(asked, at=NOW + timedelta(days=8))
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "outcome-unknown")
        assert (tool_step(run).status, len(probe.entered)) == (Step.Status.UNKNOWN, 1)

    def test_that_a_cancellation_withdraws_stays_on_record_as_unknown(
        self, asked: Run, probe: type[Probe]
    ) -> None:
        operations.cancel(run=asked, user=asked.requester, now=NOW)
        (event,) = AuditEvent.objects.filter(run_id=asked.pk, action="run.cancelled")
        assert event.body["already_started"] == ["strike"]
        step = tool_step(asked)
        assert (step.status, step.result["content"]["error"]["code"]) == ("unknown", "cancelled")

    def test_survives_a_ring_before_the_answer(self, asked: Run, probe: type[Probe], work: Work) -> None:
        for _ in range(3):
            assert work(asked, at=LATER).status == Run.Status.WAITING
        assert len(probe.entered) == 1


class TestLateReport:
    def test_withdraws_the_question_and_the_run_goes_on(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        run = start("go")

        def taken() -> None:
            requeue(run)
            advance.advance(run_id=str(run.pk), clock=lambda: LATER)

        probe.during = lambda: elsewhere(taken)
        run = work(run)
        assert (run.status, review_of(run).status) == (Run.Status.QUEUED, "cancelled")
        assert work(run, at=LATER).status == Run.Status.SUCCEEDED
        assert (probe.names(), tool_step(run).status) == (["strike"], Step.Status.SUCCEEDED)

    def test_after_a_retry_has_started_does_not_overwrite_it(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        """The slow first worker reports a failure while the second attempt, which succeeds, is under way."""
        proposes(model, "strike")
        run = start("go")

        def second() -> None:
            requeue(run)
            advance.advance(run_id=str(run.pk), clock=lambda: LATER)
            say(run, bob, "retry")
            advance.advance(run_id=str(run.pk), clock=lambda: LATER)

        def slow() -> None:
            elsewhere(second)
            probes.fails("The first attempt fails.", transient=False)()

        probe.during = slow
        run = work(run)
        assert (run.status, tool_step(run).status) == (Run.Status.SUCCEEDED, Step.Status.SUCCEEDED)
        assert (len(probe.entered), tool_step(run).attempts) == (2, 2)
        assert "tool.failed" in trail(run), "what the first attempt led to is on record all the same"


class TestRepeatableTool:
    def test_with_an_approval_is_repeated_under_the_same_approval_and_key(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        proposes(model, "seal")
        run = work(start("go"))
        say(run, bob, "approve")
        crashes(run, work)
        run = work(run, at=LATER)
        assert (run.status, probe.names()) == (Run.Status.SUCCEEDED, ["seal", "seal"])
        assert len(set(probe.keys())) == 1
        permits = AuditEvent.objects.filter(run_id=run.pk, action="gate.decided", outcome="permit")
        assert {event.body["review_id"] for event in permits} == {str(review_of(run).pk)}

    def test_is_not_repeated_under_an_approval_of_yesterday(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        proposes(model, "seal")
        run = work(start("go"))
        say(run, bob, "approve")
        crashes(run, work)
        run = work(run, at=NOW + timedelta(hours=25))
        assert (len(probe.entered), tool_step(run).status) == (1, Step.Status.DENIED)


class TestProbe:
    def crashed(self, model: FakeModel, start: Start, work: Work) -> Run:
        proposes(model, "deliver")
        run = start("go")
        crashes(run, work)
        return work(run, at=LATER)

    def test_that_says_yes_closes_the_call_without_a_person(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        probe.target_says = staticmethod(lambda: Happened.YES)
        run = self.crashed(model, start, work)
        assert (run.status, tool_step(run).status) == (Run.Status.SUCCEEDED, Step.Status.SUCCEEDED)
        assert probe.asked == [("probe", str(tool_step(run).pk))], "asked with the key of the call"
        assert (probe.names(), "review.requested" in trail(run)) == (["deliver"], False)

    def test_that_says_no_repeats_the_call_under_the_same_key(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        probe.target_says = staticmethod(lambda: Happened.NO)
        run = self.crashed(model, start, work)
        assert (run.status, probe.names()) == (Run.Status.SUCCEEDED, ["deliver", "deliver"])
        assert len(set(probe.keys())) == 1

    def test_that_cannot_tell_asks_a_person(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        run = self.crashed(model, start, work)
        assert (run.status, review_of(run).kind) == (Run.Status.WAITING, "outcome")
        assert probe.names() == ["deliver"]

    def test_that_raises_asks_a_person(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        def broken() -> Happened:
            raise ConnectionError

        probe.target_says = staticmethod(broken)
        run = self.crashed(model, start, work)
        assert (run.status, review_of(run).kind) == (Run.Status.WAITING, "outcome")

    def test_that_answers_with_no_word_it_knows_asks_a_person(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        probe.target_says = staticmethod(lambda: cast(Happened, "certainly"))
        run = self.crashed(model, start, work)
        assert (run.status, review_of(run).kind) == (Run.Status.WAITING, "outcome")

    def test_that_hangs_asks_a_person(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        def hang() -> Happened:
            time.sleep(1.5)
            return Happened.YES

        probe.target_says = staticmethod(hang)
        run = self.crashed(model, start, work)
        assert (run.status, review_of(run).kind) == (Run.Status.WAITING, "outcome")

    def test_during_which_the_worker_dies_is_asked_again(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "deliver")
        run = start("go")
        crashes(run, work)

        def die() -> Happened:
            raise probes.Crash

        probe.target_says = staticmethod(die)
        with pytest.raises(probes.Crash):
            work(run, at=LATER)
        requeue(run, at=LATER)
        probe.target_says = staticmethod(lambda: Happened.YES)
        run = work(run, at=LATER)
        assert (run.status, probe.names(), len(probe.asked)) == (Run.Status.SUCCEEDED, ["deliver"], 2)


class TestNoCrash:
    """The worker lives and the outcome is unknown all the same."""

    @pytest.mark.parametrize(
        "error",
        [KeyError("x"), OutcomeUnknown("The line went dead."), ConnectionResetError(), ZeroDivisionError()],
    )
    def test_but_a_tool_that_raises_asks_a_person(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, error: Exception
    ) -> None:
        def fail() -> None:
            raise error

        proposes(model, "strike")
        probe.during = fail
        run = work(start("go"))
        assert (run.status, tool_step(run).status) == (Run.Status.WAITING, Step.Status.UNKNOWN)
        assert (review_of(run).kind, probe.names()) == ("outcome", ["strike"])
        assert trail(run)[-2:] == ["tool.unknown", "review.requested"]

    def test_but_a_tool_that_takes_longer_than_it_may_is_probed(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "deliver")
        probe.during = lambda: time.sleep(1.5)
        probe.target_says = staticmethod(lambda: Happened.YES)
        began = time.monotonic()
        run = work(start("go"))
        assert time.monotonic() - began < 1.45, "given up after timeout_s"
        assert (run.status, probe.names()) == (Run.Status.SUCCEEDED, ["deliver"])

    def test_but_a_tool_that_takes_longer_than_it_may_is_not_repeated_while_it_may_still_run(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "deliver")
        probe.during = lambda: time.sleep(1.5)
        probe.target_says = staticmethod(lambda: Happened.NO)
        run = work(start("go"))
        assert (run.status, review_of(run).kind) == (Run.Status.WAITING, "outcome")
        assert (probe.names(), len(probe.asked)) == (["deliver"], 1)

    def test_but_a_tool_that_takes_longer_than_it_may_asks_a_person_where_nobody_can_tell(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "deliver")
        probe.during = lambda: time.sleep(1.5)
        run = work(start("go"))
        assert (run.status, tool_step(run).status) == (Run.Status.WAITING, Step.Status.UNKNOWN)
        assert "did not answer within 1 s" in review_of(run).reason

    def test_and_a_repeatable_tool_that_takes_longer_than_it_may_is_tried_again(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "tap")
        probe.during = lambda: time.sleep(1.5)
        run = work(start("go"))
        assert (run.status, run.wake_at is not None) == (Run.Status.QUEUED, True)
        run = work(run, at=NOW + timedelta(minutes=1))
        assert (run.status, probe.names()) == (Run.Status.SUCCEEDED, ["tap", "tap"])
        assert len(set(probe.keys())) == 1

    def test_and_a_tool_that_says_it_failed_is_believed(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        probe.during = probes.fails("No such order.", transient=False)
        run = work(start("go"))
        assert (run.status, tool_step(run).status) == (Run.Status.SUCCEEDED, Step.Status.FAILED)
        assert "No such order." in told(model)[0]["content"]


class TestPreview:
    def test_is_shown_to_the_reviewer(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        proposes(model, "offer", amount=7)
        probe.would = staticmethod(lambda: {"would": "offer 7"})
        run = work(start("go"))
        assert review_of(run).evidence["preview"] == {"would": "offer 7"}
        assert (run.status, probe.entered) == (Run.Status.WAITING, [])
        say(run, bob, "approve")
        assert work(run).status == Run.Status.SUCCEEDED
        assert (probe.names(), len(probe.asked)) == (["offer"], 1)

    def test_that_fails_is_told_and_keeps_nobody_from_deciding(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        def broken() -> Any:
            raise KeyError("x")

        proposes(model, "offer")
        probe.would = staticmethod(broken)
        run = work(start("go"))
        assert review_of(run).evidence["preview"] == "The tool could not say what it would do: KeyError."
        assert run.status == Run.Status.WAITING

    def test_is_not_made_of_a_call_that_needs_no_approval(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "glance")
        assert work(start("go")).status == Run.Status.SUCCEEDED
        assert (probe.asked, probe.names()) == ([], ["glance"])

    def test_is_not_made_for_a_person_without_the_right(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, person: Any
    ) -> None:
        proposes(model, "offer")
        someone = person("no-tools", "agents.execute_agent")
        run = work(start("go", user=someone))
        assert (probe.asked, tool_step(run).status) == ([], Step.Status.DENIED)

    def test_is_not_made_of_a_call_with_wrong_arguments(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "offer", amount="much")
        run = work(start("go"))
        assert (probe.asked, tool_step(run).status) == ([], Step.Status.DENIED)

    def test_in_which_the_worker_dies_is_made_again_and_nothing_has_run(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        def die() -> Any:
            raise probes.Crash

        proposes(model, "offer")
        probe.would = staticmethod(die)
        run = start("go")
        with pytest.raises(probes.Crash):
            work(run)
        requeue(run)
        probe.would = staticmethod(lambda: "Fine.")
        run = work(run, at=LATER)
        assert (refresh(run).status, review_of(run).evidence["preview"]) == (Run.Status.WAITING, "Fine.")
        assert (len(run.steps.all()), probe.entered) == (2, [])
