"""What fails and may pass is tried again later; what will not pass is told, replaced or given to a person."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from agents.catalog.operations import change_agent
from agents.runs.models import Run, Step
from agents.tools.models import Tool
from governance.audit.models import AuditEvent
from hitl.reviews import operations as reviews
from tests.agents import probes
from tests.agents.fake_model import FakeModel, Fault, calls, text
from tests.agents.probes import Probe
from tests.agents.workbench import (
    LATER,
    Start,
    Work,
    crashes,
    proposes,
    review_of,
    say,
    told,
    tool_step,
    tool_steps,
    trail,
)
from tests.governance.clones import as_owner
from tests.governance.samples import NOW

HOUR = timedelta(hours=1)
BUSY = Fault(status=503)


@pytest.fixture
def db(committed: str, model: FakeModel) -> Iterator[None]:
    """Use the module's own database and the fake model; breakers are another module's subject."""
    yield
    with as_owner(committed) as owner:
        owner.execute("DELETE FROM acme.agents_circuit")


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def configure(agent: Any, alice: Any) -> Iterator[Any]:
    """Return a function that changes the agent's configuration for the test."""
    before = dict(agent.config)

    def change(**config: Any) -> None:
        change_agent(agent=agent, config={**before, **config})

    yield change
    change_agent(agent=agent, config=before)


def seconds_until_due(run: Run) -> float:
    assert run.wake_at is not None
    return (run.wake_at - NOW).total_seconds()


def to_the_end(run: Run, work: Work, *, from_hour: int = 0) -> Run:
    """Let workers advance the run until it is no longer queued."""
    for hour in range(from_hour, from_hour + 12):
        run = work(run, at=NOW + hour * HOUR)
        if run.status != Run.Status.QUEUED:
            break
    return run


class TestModelFails:
    @pytest.mark.parametrize(
        ("fault", "at_least", "at_most"),
        [
            (Fault(status=500), 0.25, 0.5),
            (Fault(status=502), 0.25, 0.5),
            (Fault(status=503), 0.25, 0.5),
            (Fault(status=429), 0.25, 0.5),
            (Fault(status=429, headers={"Retry-After": "7"}), 7, 7.7),
            (Fault(status=503, headers={"Retry-After": "7"}), 7, 7.7),
            (Fault(status=429, headers={"Retry-After": "86400"}), 600, 660),
            (Fault(status=429, headers={"Retry-After": "-5"}), 0.25, 0.5),
            (Fault(status=429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), 0.25, 0.5),
            (Fault(cut=True), 0.25, 0.5),
        ],
    )
    def test_for_a_while_and_is_asked_again_when_it_is_due(
        self, model: FakeModel, start: Start, work: Work, fault: Fault, at_least: float, at_most: float
    ) -> None:
        model.script(fault, text("Done."))
        run = work(start("go"))
        assert run.status == Run.Status.QUEUED
        assert at_least <= seconds_until_due(run) <= at_most
        (step,) = run.steps.all()
        assert (step.status, step.attempts, run.lease_token) == (Step.Status.PLANNED, 1, None)
        early = work(run, at=NOW)
        assert (early.status, early.wake_at, len(model.requests)) == (Run.Status.QUEUED, run.wake_at, 1)
        run = work(run, at=run.wake_at or NOW)
        assert (run.status, run.output) == (Run.Status.SUCCEEDED, {"answer": "Done."})
        (step,) = run.steps.all()
        assert (step.attempts, run.wake_at, len(model.requests)) == (2, None, 2)

    @pytest.mark.parametrize("jitter", ["nan", "inf"])
    def test_with_an_odd_retry_after_and_the_run_still_becomes_due(
        self, model: FakeModel, start: Start, work: Work, jitter: str
    ) -> None:
        model.script(Fault(status=429, headers={"Retry-After": jitter}), text("Done."))
        run = work(start("go"))
        assert run.status == Run.Status.QUEUED
        assert work(run, at=NOW + HOUR).status == Run.Status.SUCCEEDED

    def test_by_taking_too_long(self, model: FakeModel, start: Start, work: Work, settings: Any) -> None:
        settings.MODEL_TIMEOUT_S = 0.2
        model.script(Fault(after_s=0.6), text("Done."))
        run = work(start("go"))
        assert (run.status, 0.25 <= seconds_until_due(run) <= 0.5) == (Run.Status.QUEUED, True)

    def test_by_refusing_the_connection(self, start: Start, work: Work, settings: Any) -> None:
        settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
        run = work(start("go"))
        assert (run.status, 0.25 <= seconds_until_due(run) <= 0.5) == (Run.Status.QUEUED, True)

    def test_twice_and_the_second_wait_is_longer(self, model: FakeModel, start: Start, work: Work) -> None:
        model.script(BUSY, BUSY, text("Done."))
        run = work(start("go"))
        second = NOW + HOUR
        run = work(run, at=second)
        assert run.wake_at is not None
        assert 0.5 <= (run.wake_at - second).total_seconds() <= 1.0
        assert [e.outcome for e in AuditEvent.objects.filter(run_id=run.pk, action="model.failed")] == [
            "retry"
        ] * 2

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
    def test_for_good_and_is_not_asked_again(
        self, model: FakeModel, start: Start, work: Work, status: int
    ) -> None:
        model.script(Fault(status=status))
        run = work(start("go"))
        assert (run.status, run.error["code"], len(model.requests)) == (
            Run.Status.FAILED,
            "model-unavailable",
            1,
        )

    def test_and_the_next_model_answers(
        self, model: FakeModel, configure: Any, start: Start, work: Work
    ) -> None:
        configure(fallback_models=["other", "third"])
        model.script(BUSY, BUSY, BUSY, BUSY, BUSY, BUSY, text("Done."))
        run = to_the_end(start("go"), work)
        assert (run.status, run.output) == (Run.Status.SUCCEEDED, {"answer": "Done."})
        assert [request["model"] for request in model.requests][3:] == ["other"] * 3 + ["third"]
        assert run.steps.get().name == "third"

    def test_for_good_and_the_next_model_is_asked_at_once(
        self, model: FakeModel, configure: Any, start: Start, work: Work
    ) -> None:
        configure(fallback_models=["other"])
        model.script(Fault(status=401), text("Done."))
        assert work(start("go")).status == Run.Status.SUCCEEDED
        assert len(model.requests) == 2

    def test_and_the_agent_gives_its_fallback_answer(
        self, model: FakeModel, configure: Any, start: Start, work: Work
    ) -> None:
        configure(fallback_answer="Call us.", hand_off_after=0)
        model.script(BUSY)
        run = to_the_end(start("go"), work)
        assert (run.status, run.output["answer"], run.output["fallback"]) == (
            Run.Status.SUCCEEDED,
            "Call us.",
            True,
        )
        assert (run.output["reason"]["code"], len(model.requests)) == ("model-unavailable", 3)


class TestHandOff:
    @pytest.fixture
    def handed_off(self, model: FakeModel, start: Start, work: Work) -> Run:
        """Return a run whose model failed three times, and that waits for a person."""
        model.script(BUSY, BUSY, BUSY, text("Done."))
        run = to_the_end(start("go"), work)
        assert (run.status, review_of(run).kind) == (Run.Status.WAITING, "handoff")
        return run

    def test_shows_the_person_the_whole_run(self, handed_off: Run) -> None:
        review = review_of(handed_off)
        assert "3 attempts" in review.reason
        assert [step["kind"] for step in review.evidence["steps"]] == ["model", "person"]
        assert review.evidence["query"] == "go"

    def test_is_answered_in_the_agents_place(
        self, handed_off: Run, model: FakeModel, work: Work, bob: Any
    ) -> None:
        say(handed_off, bob, "respond", "It is on its way.")
        run = work(handed_off)
        assert (run.status, run.output) == (
            Run.Status.SUCCEEDED,
            {"answer": "It is on its way.", "answered_by": "bob"},
        )
        assert len(model.requests) == 3

    def test_is_sent_back_with_guidance_that_the_model_sees(
        self, handed_off: Run, model: FakeModel, work: Work, bob: Any
    ) -> None:
        say(handed_off, bob, "retry", "Ask the warehouse.")
        run = work(handed_off)
        assert (run.status, run.output) == (Run.Status.SUCCEEDED, {"answer": "Done."})
        assert "Ask the warehouse." in model.requests[-1]["messages"][-1]["content"]

    def test_is_given_up(self, handed_off: Run, work: Work, bob: Any) -> None:
        say(handed_off, bob, "reject", "Hopeless.")
        run = work(handed_off)
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "handed-off")
        assert "Hopeless." in run.error["message"]

    def test_that_nobody_takes_ends_the_run(self, handed_off: Run, work: Work) -> None:
        reviews.expire(review=review_of(handed_off), now=NOW + 25 * HOUR)
        run = work(handed_off, at=NOW + 25 * HOUR)
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "handed-off")

    def test_happens_after_three_calls_that_failed_in_a_row(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        probe.each_time = probes.fails("No.", transient=False)
        model.script(calls(("peek", {})))
        run = work(start("go"))
        assert (run.status, review_of(run).kind, len(probe.entered)) == (Run.Status.WAITING, "handoff", 3)

    def test_does_not_happen_while_one_in_between_succeeds(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        failing = iter([True, True, False, True, True])

        def each() -> None:
            if next(failing):
                probes.fails("No.", transient=False)()

        probe.each_time = each
        model.script(*[calls(("peek", {}))] * 5, text("Done."))
        assert work(start("go")).status == Run.Status.SUCCEEDED

    def test_counts_anew_after_a_person_has_looked(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        probe.each_time = probes.fails("No.", transient=False)
        model.script(*[calls(("peek", {}))] * 5, text("Done."))
        run = work(start("go"))
        say(run, bob, "retry", "Try twice more.")
        assert work(run).status == Run.Status.SUCCEEDED
        assert len(probe.entered) == 5

    def test_between_two_calls_of_one_answer_keeps_each_result_beside_its_call(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        """Endpoints refuse a conversation in which anything stands between a call and its result."""
        probe.each_time = probes.fails("No.", transient=False)
        model.script(
            calls(("peek", {}), ("peek", {})),
            calls(("peek", {}), ("peek", {}), ids=("x", "y")),
            text("Done."),
        )
        run = work(start("go"))
        assert run.status == Run.Status.WAITING
        say(run, bob, "retry", "Go on.")
        assert work(run).status == Run.Status.SUCCEEDED
        roles = [message["role"] for message in model.requests[-1]["messages"]]
        assert roles == ["system", "user", "assistant", "tool", "tool", "assistant", "tool", "tool", "user"]


class TestToolFails:
    def test_for_a_while_and_is_called_again_under_the_same_key(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "tap")
        probe.during = probes.fails(retry_after_s=5)
        run = work(start("go"))
        assert run.status == Run.Status.QUEUED
        assert 5 <= seconds_until_due(run) <= 5.5
        assert work(run).status == Run.Status.QUEUED, "not before it is due"
        run = work(run, at=run.wake_at or NOW)
        assert (run.status, tool_step(run).attempts) == (Run.Status.SUCCEEDED, 2)
        assert (len(probe.entered), len(set(probe.keys()))) == (2, 1)
        assert "tool.retried" in trail(run)

    def test_as_often_as_it_may_and_then_the_model_is_told(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "tap")
        probe.each_time = probes.fails("Still busy.")
        run = to_the_end(start("go"), work)
        assert (run.status, len(probe.entered)) == (Run.Status.SUCCEEDED, 3)
        assert "Still busy." in told(model)[0]["content"]

    def test_after_it_started_and_is_not_repeated_where_repeating_is_not_safe(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        probe.during = probes.fails(started=True)
        run = work(start("go"))
        assert (run.status, tool_step(run).status, len(probe.entered)) == (
            Run.Status.SUCCEEDED,
            Step.Status.FAILED,
            1,
        )

    def test_before_it_started_and_is_repeated_whatever_its_effect(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        probe.during = probes.fails(started=False)
        run = to_the_end(start("go"), work)
        assert (run.status, tool_step(run).status, len(probe.entered)) == (
            Run.Status.SUCCEEDED,
            Step.Status.SUCCEEDED,
            2,
        )

    def test_with_an_approval_and_is_repeated_under_it(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        proposes(model, "seal")
        run = work(start("go"))
        say(run, bob, "approve")
        probe.during = probes.fails()
        run = work(run)
        assert run.status == Run.Status.QUEUED
        assert work(run, at=NOW + timedelta(minutes=1)).status == Run.Status.SUCCEEDED
        assert len(probe.entered) == 2

    def test_then_crashes_in_its_second_attempt_and_is_not_taken_for_one_that_never_started(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "strike")
        probe.during = probes.fails(started=False)
        run = work(start("go"))
        crashes(run, work, at=LATER)
        run = work(run, at=LATER + timedelta(seconds=30))
        assert (run.status, review_of(run).kind, len(probe.entered)) == (Run.Status.WAITING, "outcome", 2)


class TestFallbackTool:
    def test_is_proposed_to_the_gate_and_its_result_answers_the_call(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "first", amount=7)
        probe.during = probes.fails()
        run = work(start("go"))
        assert run.status == Run.Status.SUCCEEDED
        assert tool_steps(run) == [("first", "failed"), ("second", "succeeded")]
        assert trail(run).count("gate.decided") == 2
        (result,) = told(model)
        assert result["tool_call_id"] == "call_0"
        assert "first could not be used; second was used instead." in result["content"]

    def test_has_a_fallback_of_its_own_and_the_chain_ends(
        self, probe: type[Probe], model: FakeModel, configure: Any, start: Start, work: Work
    ) -> None:
        configure(hand_off_after=0)
        proposes(model, "first")
        probe.each_time = probes.fails()
        run = work(start("go"))
        assert (run.status, probe.names()) == (Run.Status.SUCCEEDED, ["first", "second", "third"])
        assert len(told(model)) == 1

    def test_does_not_go_in_circles(
        self, probe: type[Probe], model: FakeModel, configure: Any, start: Start, work: Work
    ) -> None:
        configure(hand_off_after=0)
        proposes(model, "first")
        probe.each_time = probes.fails()
        third = Tool.objects.filter(name="third")
        third.update(fallback=Tool.objects.get(name="first"))
        try:
            run = work(start("go"))
        finally:
            third.update(fallback=None)
        assert (run.status, probe.names()) == (Run.Status.SUCCEEDED, ["first", "second", "third"])

    def test_is_refused_where_the_agent_has_no_right_to_it(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        proposes(model, "third")
        probe.during = probes.fails(started=False)
        third = Tool.objects.filter(name="third")
        third.update(fallback=Tool.objects.get(name="spare"), max_attempts=1)
        try:
            run = work(start("go"))
        finally:
            third.update(fallback=None, max_attempts=3)
        assert (tool_steps(run), probe.names()) == ([("third", "failed"), ("spare", "denied")], ["third"])
        assert "may not use spare" in told(model)[0]["content"]

    def test_waits_for_its_own_approval(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        proposes(model, "third", amount=7)
        probe.during = probes.fails(started=False)
        third = Tool.objects.filter(name="third")
        third.update(fallback=Tool.objects.get(name="offer"), max_attempts=1)
        try:
            run = work(start("go"))
        finally:
            third.update(fallback=None, max_attempts=3)
        assert (run.status, review_of(run).tool, review_of(run).arguments) == (
            Run.Status.WAITING,
            "offer",
            {"amount": 7},
        )
        say(run, bob, "approve")
        assert work(run).status == Run.Status.SUCCEEDED
        assert probe.names() == ["third", "offer"]

    def test_is_there_for_each_answer_of_a_model_that_numbers_its_calls_from_zero(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        """Endpoints that give no ids get the same ones in every turn."""
        model.script(calls(("first", {})), calls(("first", {})), text("Done."))
        failing = iter([True, False, True, False])

        def each() -> None:
            if next(failing):
                probes.fails()()

        probe.each_time = each
        run = work(start("go"))
        assert (run.status, probe.names()) == (Run.Status.SUCCEEDED, ["first", "second"] * 2)

    def test_is_called_with_what_a_reviewer_made_of_the_arguments(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any, rita: Any
    ) -> None:
        from hitl.reviews.types import Channel, DecisionVerb, Response

        proposes(model, "offer", amount=500)
        offer = Tool.objects.filter(name="offer")
        offer.update(fallback=Tool.objects.get(name="third"), max_attempts=1)
        try:
            run = work(start("go"))
            edit = Response(verb=DecisionVerb.EDIT, channel=Channel.API, arguments={"amount": 5})
            reviews.respond(review_id=review_of(run).pk, reviewer=bob, response=edit, now=NOW)
            agree = Response(verb=DecisionVerb.APPROVE, channel=Channel.API, version=2)
            reviews.respond(review_id=review_of(run).pk, reviewer=rita, response=agree, now=NOW)
            probe.during = probes.fails(started=False)
            run = work(run)
        finally:
            offer.update(fallback=None, max_attempts=3)
        assert probe.names() == ["offer", "third"]
        step = run.steps.get(name="third")
        assert step.result["arguments"] == {"amount": 5}
