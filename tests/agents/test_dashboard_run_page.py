"""What the page of a run tells of waits, tries, fallbacks, unknown outcomes and people."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from agents.runs.models import Run, Step
from governance.types import Risk, RunRef, UserRef
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from tenants.kernel.models import uuid7
from tests.governance.samples import NOW, proposal

Page = Callable[..., str]


@pytest.fixture
def run(start: Any) -> Run:
    """Return a queued run of Oscar's."""
    run: Run = start("where is it?")
    return run


@pytest.fixture
def page(person: Any, run: Run) -> Page:
    """Return a function that gives the run's page, after changes to its row."""

    def show(who: str = "vera", **changes: Any) -> str:
        Run.objects.filter(pk=run.pk).update(**changes)
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(person(who))
        return client.get(f"/runs/{run.pk}/").content.decode()

    return show


def add(run: Run, kind: str, name: str, status: str, **more: Any) -> Step:
    """Store a step as the engine would have left it."""
    return Step.objects.create(
        id=uuid7(),
        run=run,
        number=run.steps.count() + 1,
        kind=kind,
        name=name,
        status=status,
        created_at=NOW,
        **{"request": {}, **more},
    )


class TestWaiting:
    def test_for_another_try_says_when_and_which(self, run: Run, page: Page) -> None:
        add(run, "tool", "lookup_order", "planned", attempts=1)
        shown = page(wake_at=NOW + timedelta(seconds=5))
        assert "09:30:05 UTC</time>, try 2" in shown

    @pytest.mark.parametrize(
        ("part", "named"),
        [("tool:refund_order", "<code>refund_order</code>"), ("provider:default", "the model provider")],
    )
    def test_for_a_circuit_says_whose_and_until_when(
        self, run: Run, page: Page, part: str, named: str
    ) -> None:
        add(run, "tool", "refund_order", "planned")
        shown = page(waits_for=f"circuit:{part}", wake_at=NOW + timedelta(seconds=60))
        assert f"Waits for the circuit of {named}" in shown
        assert "09:31:00 UTC</time>" in shown
        assert "The last try failed" not in shown

    def test_for_a_slot_says_of_what(self, page: Page) -> None:
        assert "<code>tool:refund_order</code>" in page(waits_for="tool:refund_order")

    def test_is_told_in_the_list_too(self, page: Page, person: Any) -> None:
        page(wake_at=NOW)
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(person("vera"))
        assert "retries 09:30:00" in client.get("/parts/runs/").content.decode()

    def test_for_a_person_leads_to_the_review(self, run: Run, page: Page, agent: Any, oscar: Any) -> None:
        step = add(run, "person", "hand-off", "waiting", request={"why": "3 calls failed"})
        review = reviews.hand_off(
            run=RunRef(run_id=str(run.pk), step_id=str(step.pk), trace_id=""),
            user=UserRef(id=oscar.pk, name="oscar"),
            agent=agent.ref(),
            subject="3 calls failed <b>in a row</b>",
            evidence={},
            expires_at=NOW + timedelta(hours=1),
            now=NOW,
        )
        shown = page(status="waiting")
        assert "Handed to a person:" in shown
        assert "3 calls failed &lt;b&gt;" in shown
        assert shown.count(f"/reviews/{review.pk}/") == 2
        Review.objects.filter(pk=review.pk).update(status="cancelled")
        assert "See the hand-off" in page()


class TestPaused:
    BY_A_SWITCH = "Kill switch: it refunds twice (by oscar)"

    def test_by_a_kill_switch_goes_on_when_it_is_lifted(self, page: Page) -> None:
        shown = page("alice", status="paused", pause_reason=self.BY_A_SWITCH)
        assert "It goes on when the kill switch is lifted." in shown
        assert 'href="/admin/agents/halt/"' in shown
        assert "until somebody resumes it" not in shown
        assert "/resume/" not in shown
        assert "/cancel/" in shown

    def test_by_a_kill_switch_leads_there_who_may_see_it(self, page: Page, person: Any) -> None:
        type(person("bob")).objects.filter(username="bob").update(is_staff=False)
        shown = page("bob", status="paused", pause_reason=self.BY_A_SWITCH)
        assert "It goes on when the kill switch is lifted." in shown
        assert "/admin/agents/halt/" not in shown

    def test_by_a_person_waits_to_be_resumed(self, page: Page) -> None:
        shown = page("alice", status="paused", pause_reason="lunch")
        assert "until somebody resumes it" in shown
        assert "/resume/" in shown

    @pytest.mark.parametrize(
        ("by", "who", "may"), [("bob", "bob", True), ("alice", "bob", False), ("alice", "oscar", True)]
    )
    def test_by_somebody_else_is_resumed_by_them_or_an_operator(
        self, page: Page, person: Any, by: str, who: str, may: bool
    ) -> None:
        shown = page(who, requester=person("bob"), status="paused", pause_reason="lunch", paused_by=by)
        assert f"until {by} or an operator resumes it" in shown
        assert ("/resume/" in shown) is may


class TestSteps:
    def test_tell_how_long_the_call_took_not_how_long_people_did(self, run: Run, page: Page) -> None:
        ended = NOW + timedelta(hours=2)
        add(run, "tool", "refund_order", "succeeded", result={"content": "x", "ms": 340}, finished_at=ended)
        add(run, "tool", "refund_order", "rejected", result={"content": "x"}, finished_at=ended)
        shown = page()
        assert "<span>340 ms</span>" in shown
        assert "2 h" not in shown

    def test_lead_to_the_approval_and_to_the_question_after_it(
        self, run: Run, page: Page, agent: Any, oscar: Any
    ) -> None:
        step = add(run, "tool", "refund_order", "unknown")
        request = proposal(agent=agent, user=oscar)
        for kind, status in (("tool_call", "approved"), ("outcome", "pending")):
            review = reviews.ask_outcome(
                request=request,
                risk=Risk.HIGH,
                required=1,
                message="lost",
                evidence={},
                expires_at=NOW + timedelta(hours=1),
                now=NOW,
            )
            mine = {"run_id": run.pk, "step_id": step.pk, "kind": kind, "status": status}
            Review.objects.filter(pk=review.pk).update(**mine)
        shown = page("bob", status="waiting")
        assert ">See who approved it</a>" in shown
        assert ">Open the question whether it happened</a>" in shown

    def test_tell_how_often_they_were_tried(self, run: Run, page: Page) -> None:
        add(run, "tool", "lookup_order", "succeeded", attempts=1, result={"content": "x"})
        assert "tried" not in page()
        add(run, "tool", "lookup_order", "succeeded", attempts=3, result={"content": "x"})
        assert "tried 3 times" in page()

    def test_tell_what_was_proposed_instead(self, run: Run, page: Page) -> None:
        failed = {"content": {"error": {"code": "tool-failed", "message": "down"}}, "fallback": "send_sms"}
        add(run, "tool", "send_email", "failed", result=failed)
        add(run, "tool", "send_sms", "planned", request={"instead_of": "send_email", "because": "down <b>"})
        shown = page()
        assert "<code>send_sms</code> is proposed instead" in shown
        assert "instead of <code>send_email</code>, which could not be used: down &lt;b&gt;" in shown

    def test_tell_why_a_model_did_not_answer(self, run: Run, page: Page) -> None:
        add(run, "model", "m", "failed", result={"error": {"code": "x", "message": "HTTP 503"}})
        assert "HTTP 503" in page()

    @pytest.mark.parametrize(
        ("result", "told"),
        [
            ({"answer": "respond", "message": "On Friday", "by": "bob"}, "answered in the agent's place:"),
            ({"answer": "retry", "message": "Ask again", "by": "bob"}, "advised the agent to try again:"),
            ({"answer": "retry", "message": "", "by": "bob"}, "let the agent try again."),
            ({"answer": "reject", "message": "Closed", "by": "bob"}, "gave up:"),
            ({"answer": "expired"}, "Nobody took it over in time."),
        ],
    )
    def test_tell_what_a_person_did(self, run: Run, page: Page, result: dict[str, str], told: str) -> None:
        add(run, "person", "hand-off", "succeeded", request={"why": "it failed"}, result=result)
        shown = page()
        assert told.replace("'", "&#x27;") in shown or told in shown
        assert result.get("message", "") in shown


class TestAnswers:
    def test_of_a_person_say_so(self, page: Page) -> None:
        shown = page(status="succeeded", output={"answer": "On Friday", "answered_by": "bob"})
        assert "A person answered in the agent's place: <strong>bob</strong>" in shown

    def test_that_fall_back_say_so_and_why(self, page: Page) -> None:
        output = {"answer": "Call us", "fallback": True, "reason": {"message": "the model is down"}}
        shown = page(status="succeeded", output=output)
        assert "set up to give then" in shown
        assert "the model is down" in shown

    def test_of_a_restored_run_carry_the_notice(self, page: Page) -> None:
        assert "was restored" in page(status="succeeded", output={"answer": "x", "notice": "It was restored"})
