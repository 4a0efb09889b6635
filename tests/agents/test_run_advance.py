"""A run from its start to its end: low risk runs through, the rest waits for people and resumes exactly once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from agents.demo.models import Refund, SentEmail
from agents.runs import intake, operations
from agents.runs.models import Run, Step
from governance.audit.models import AuditEvent
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import Channel, DecisionVerb, Response
from tenants.kernel.errors import InvalidInput, PermissionMissing, StaleTransition
from tests.governance.samples import NOW

REFUND = "Please refund 10.00 for order {order}, it arrived broken"
Start = Callable[..., Run]
Work = Callable[..., Run]


@pytest.fixture
def db(committed: str, scripted: None) -> None:
    """Use the module's own database."""


@pytest.fixture
def waiting(start: Start, work: Work) -> Callable[[str], Run]:
    """Return a function that brings the refund of an order to where it waits for people."""

    def bring(order: str) -> Run:
        run = work(start(REFUND.format(order=order)))
        assert run.status == Run.Status.WAITING
        return run

    return bring


def review_of(run: Run) -> Review:
    return Review.objects.get(run_id=run.pk)


def respond(run: Run, who: Any, verb: str = "approve", **response: Any) -> Review:
    given = Response(verb=DecisionVerb(verb), channel=Channel.API, **response)
    return reviews.respond(review_id=review_of(run).pk, reviewer=who, response=given, now=NOW)


def effects(run: Run) -> list[Refund]:
    """Return the refunds that the run made: the idempotency key is the step's id."""
    return list(
        Refund.objects.filter(idempotency_key__in=[str(pk) for pk in run.steps.values_list("id", flat=True)])
    )


def shape(run: Run) -> list[tuple[str, str, str]]:
    return [(step.kind, step.name, step.status) for step in run.steps.all()]


def trail(run: Run) -> list[str]:
    return [event.action for event in AuditEvent.objects.filter(run_id=run.pk).order_by("id")]


MODEL = settings.OPENAI_MODEL


class TestLowRisk:
    def test_runs_through_and_stores_each_step(self, start: Start, work: Work) -> None:
        run = work(start("Where is order A-1002?"))
        assert run.status == Run.Status.SUCCEEDED
        assert "in transit" in run.output["answer"]
        assert shape(run) == [
            ("model", MODEL, "succeeded"),
            ("tool", "lookup_order", "succeeded"),
            ("model", MODEL, "succeeded"),
        ]
        assert [step.number for step in run.steps.all()] == [1, 2, 3]
        assert (run.finished_at, run.lease_token, run.error) == (NOW, None, None)

    def test_counts_tokens(self, start: Start, work: Work) -> None:
        run = work(start("Where is order A-1002?"))
        steps = list(run.steps.all())
        assert run.input_tokens == sum(step.input_tokens for step in steps) > 0
        assert run.output_tokens == sum(step.output_tokens for step in steps) > 0

    def test_leaves_a_complete_trail(self, start: Start, work: Work) -> None:
        run = work(start("Where is order A-1002?"))
        assert trail(run) == [
            "run.started",
            "model.replied",
            "gate.decided",
            "tool.succeeded",
            "model.replied",
            "run.succeeded",
        ]
        events = AuditEvent.objects.filter(run_id=run.pk)
        assert {event.user_name for event in events} == {"oscar"}
        assert {event.trace_id for event in events} == {run.trace_id}

    def test_once_ended_does_nothing_more(self, start: Start, work: Work) -> None:
        run = work(start("Where is order A-1002?"))
        before = (shape(run), trail(run))
        assert work(run).status == Run.Status.SUCCEEDED
        assert (shape(run), trail(run)) == before

    def test_of_an_order_that_does_not_exist_tells_the_model(self, start: Start, work: Work) -> None:
        run = work(start("Where is order A-9999?"))
        assert run.status == Run.Status.SUCCEEDED
        assert "no order A-9999" in run.output["answer"]


class TestWaiting:
    def test_ends_the_work_and_lets_the_lease_go(self, waiting: Callable[[str], Run]) -> None:
        run = waiting("A-1001")
        assert shape(run)[-1] == ("tool", "refund_order", "waiting")
        assert (run.lease_token, run.lease_expires_at, effects(run)) == (None, None, [])

    def test_asks_people_about_exactly_this_call(self, waiting: Callable[[str], Run]) -> None:
        run = waiting("A-1001")
        review, step = review_of(run), run.steps.last()
        assert step is not None
        assert (review.step_id, step.review_id) == (step.pk, review.pk)
        assert review.arguments == step.request["arguments"]
        assert review.expires_at == NOW + timedelta(seconds=settings.REVIEW_TTL_S)
        assert [entry["name"] for entry in review.evidence["steps"]] == [
            MODEL,
            "lookup_order",
            MODEL,
            "refund_order",
        ]

    def test_is_not_ended_by_another_ring(self, waiting: Callable[[str], Run], work: Work) -> None:
        run = waiting("A-1001")
        assert work(run).status == Run.Status.WAITING
        assert effects(run) == []

    def test_is_not_stalled_however_long(self, waiting: Callable[[str], Run]) -> None:
        run = waiting("A-1001")
        assert run not in Run.objects.stalled(NOW + timedelta(days=30), grace_s=0)


class TestApproved:
    def test_runs_the_approved_call_exactly_once(
        self, waiting: Callable[[str], Run], work: Work, bob: Any
    ) -> None:
        run = waiting("A-1001")
        respond(run, bob)
        assert Run.objects.get(pk=run.pk).status == Run.Status.QUEUED
        assert work(run).status == Run.Status.SUCCEEDED
        (refund,) = effects(run)
        assert (float(refund.amount), refund.order.order_id) == (10.0, "A-1001")
        before = (shape(run), trail(run))
        work(run)
        assert (effects(run), shape(run), trail(run)) == ([refund], *before)

    def test_spends_the_approval(self, waiting: Callable[[str], Run], work: Work, bob: Any) -> None:
        run = waiting("A-1001")
        respond(run, bob)
        work(run)
        assert review_of(run).consumed_at == NOW

    def test_leaves_a_trail_of_both_decisions(
        self, waiting: Callable[[str], Run], work: Work, bob: Any
    ) -> None:
        run = waiting("A-1001")
        respond(run, bob)
        work(run)
        assert trail(run)[5:] == [
            "gate.decided",
            "review.requested",
            "review.assigned",
            "review.approve",
            "gate.decided",
            "tool.succeeded",
            "model.replied",
            "run.succeeded",
        ]

    def test_two_calls_wait_for_two_reviews(self, start: Start, work: Work, bob: Any) -> None:
        run = work(start("Please refund 5.00 for order A-1003 because it broke, and email the customer"))
        respond(run, bob)
        run = work(run)
        assert (run.status, len(effects(run))) == (Run.Status.WAITING, 1)
        second = Review.objects.filter(run_id=run.pk).latest("id")
        assert second.tool == "send_email"
        given = Response(verb=DecisionVerb.APPROVE, channel=Channel.API)
        reviews.respond(review_id=second.pk, reviewer=bob, response=given, now=NOW)
        assert work(run).status == Run.Status.SUCCEEDED
        assert SentEmail.objects.filter(idempotency_key=str(second.step_id)).count() == 1
        assert len(effects(run)) == 1

    def test_too_late_is_not_run(self, waiting: Callable[[str], Run], work: Work, bob: Any) -> None:
        run = waiting("A-1001")
        respond(run, bob)
        run = work(run, at=NOW + reviews.EXECUTE_WITHIN)
        assert effects(run) == []
        assert ("tool", "refund_order", "denied") in shape(run)
        assert "tool.refused" in trail(run)


class TestRejected:
    def test_tells_the_model_who_and_why_and_never_enters_the_tool(
        self, waiting: Callable[[str], Run], work: Work, bob: Any
    ) -> None:
        run = waiting("A-1001")
        respond(run, bob, "reject", message="Not under warranty")
        run = work(run)
        assert (run.status, effects(run)) == (Run.Status.SUCCEEDED, [])
        step = run.steps.get(name="refund_order")
        assert step.status == Step.Status.REJECTED
        assert step.result["content"]["error"] == {
            "code": "rejected",
            "message": "bob rejected this call: Not under warranty",
        }
        assert "Not under warranty" in run.output["answer"]

    def test_by_nobody_in_time_is_not_run(self, waiting: Callable[[str], Run], work: Work) -> None:
        run = waiting("A-1001")
        reviews.expire(review=review_of(run), now=NOW + timedelta(hours=1))
        run = work(run)
        assert (run.status, effects(run)) == (Run.Status.SUCCEEDED, [])
        assert run.steps.get(name="refund_order").result["content"]["error"]["code"] == "expired"


class TestEdited:
    def test_runs_with_the_edited_arguments_and_says_so(
        self, waiting: Callable[[str], Run], work: Work, bob: Any, rita: Any
    ) -> None:
        run = waiting("A-1001")
        edited = {**review_of(run).arguments, "amount": 7.5}
        respond(run, bob, "edit", arguments=edited)
        assert work(run).status == Run.Status.WAITING
        respond(run, rita, version=2)
        run = work(run)
        (refund,) = effects(run)
        assert float(refund.amount) == 7.5
        step = run.steps.get(name="refund_order")
        assert step.request["arguments"]["amount"] == 10.0
        assert step.result["content"]["executed_arguments"] == edited
        assert "changed this call" in step.result["content"]["notice"]
        assert step.result["content"]["result"]["amount"] == 7.5
        assert "changed the call" in run.output["answer"]


class TestCancel:
    def test_while_waiting_closes_the_review_for_good(
        self, waiting: Callable[[str], Run], work: Work, oscar: Any, bob: Any
    ) -> None:
        run = waiting("A-1001")
        operations.cancel(run=run, user=oscar, now=NOW)
        assert review_of(run).status == Review.Status.CANCELLED
        with pytest.raises(reviews.AlreadyDecided):
            respond(run, bob)
        assert work(run).status == Run.Status.CANCELLED
        assert effects(run) == []

    def test_after_an_approval_stops_the_effect(
        self, waiting: Callable[[str], Run], work: Work, oscar: Any, bob: Any
    ) -> None:
        run = waiting("A-1001")
        respond(run, bob)
        operations.cancel(run=run, user=oscar, now=NOW)
        assert work(run).status == Run.Status.CANCELLED
        assert effects(run) == []

    def test_before_it_began(self, start: Start, work: Work, oscar: Any) -> None:
        run = operations.cancel(run=start("Where is order A-1002?"), user=oscar, now=NOW)
        assert (work(run).status, shape(run)) == (Run.Status.CANCELLED, [])

    def test_of_an_ended_run_is_refused(self, start: Start, work: Work, oscar: Any) -> None:
        with pytest.raises(StaleTransition):
            operations.cancel(run=work(start("Where is order A-1002?")), user=oscar, now=NOW)

    def test_is_for_the_requester_and_those_with_the_right(
        self, start: Start, alice: Any, bob: Any, charlie: Any
    ) -> None:
        run = start("Where is order A-1002?")
        for person in (bob, charlie):
            with pytest.raises(PermissionMissing):
                operations.cancel(run=run, user=person, now=NOW)
        assert operations.cancel(run=run, user=alice, now=NOW).status == Run.Status.CANCELLED


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "status", "code"),
        [
            ("invalid json", "failed", "invalid-json"),
            ("unknown tool", "denied", "unknown-tool"),
            ("wrong arguments", "denied", "denied"),
        ],
    )
    def test_of_a_call_are_told_to_the_model_which_goes_on(
        self, start: Start, work: Work, fault: str, status: str, code: str
    ) -> None:
        run = work(start(f"fault: {fault}"))
        assert run.status == Run.Status.SUCCEEDED
        assert "was not carried out" in run.output["answer"]
        (step,) = run.steps.filter(kind="tool")
        assert (step.status, step.result["content"]["error"]["code"]) == (status, code)
        assert trail(run)[2] in {"tool.refused", "gate.decided"}
        assert "tool.succeeded" not in trail(run)

    def test_of_a_second_call_do_not_stop_the_first(self, start: Start, work: Work) -> None:
        run = work(start("fault: second call"))
        assert [status for kind, _, status in shape(run) if kind == "tool"] == ["succeeded", "failed"]
        assert run.status == Run.Status.SUCCEEDED

    def test_of_an_empty_answer_end_the_run(self, start: Start, work: Work) -> None:
        run = work(start("fault: empty"))
        assert (run.status, run.error["code"]) == (Run.Status.FAILED, "empty-answer")
        assert trail(run)[-1] == "run.failed"


class TestStart:
    @pytest.mark.parametrize("query", ["", "  \n", "x" * (intake.MAX_QUERY + 1), None, 7, ["x"]])
    def test_needs_a_query(self, start: Start, query: Any) -> None:
        before = Run.objects.count()
        with pytest.raises(InvalidInput):
            start(query)
        assert Run.objects.count() == before

    def test_needs_the_right_on_the_agent(self, start: Start, bob: Any, charlie: Any, agent: Any) -> None:
        for person in (bob, charlie, agent.principal):
            with pytest.raises(PermissionMissing):
                start("Where is order A-1002?", user=person)

    def test_takes_a_snapshot_of_the_agent(self, start: Start, agent: Any) -> None:
        run = start("Where is order A-1002?")
        assert run.snapshot == {
            "agent": agent.name,
            "blueprint": "assistant",
            "config": agent.config,
            "tools": sorted(agent.tools.values_list("name", flat=True)),
            "memory": [],
            "influence": [],
        }
