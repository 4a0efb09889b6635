"""A suspended tenant and its runs: nothing new starts, nothing is lost, other tenants notice nothing."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from agents.runs import operations
from agents.runs.models import Run
from agents.runs.tasks import sweep_runs
from governance.access.models import User
from governance.audit.models import AuditEvent
from governance.platform import operations as platform
from hitl.notifications import delivery
from hitl.notifications import operations as notifications
from tenants.kernel import consumers, tenants
from tenants.kernel.context import platform_context, schema_tenant, tenant_context
from tenants.kernel.errors import StaleTransition
from tenants.kernel.models import uuid7
from tenants.tenancy.models import Tenant
from tenants.timers.models import Timer
from tenants.timers.operations import set_timer
from tenants.timers.tick import tick
from tests.agents import probes
from tests.agents.fake_model import FakeModel, calls, text
from tests.agents.probes import Probe
from tests.agents.workbench import say
from tests.governance.samples import NOW
from tests.hitl import outbox

Start = Callable[..., Run]
Work = Callable[..., Run]
SAID = "Suspended by the platform: unpaid (by root)"


@pytest.fixture
def db(committed: str, model: FakeModel) -> None:
    """Use the module's own database and the fake model."""


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture(autouse=True)
def _active(acme: Any) -> Iterator[None]:
    yield
    with platform_context():
        Tenant.objects.filter(schema_name="acme").update(state="active", tier="ENTERPRISE", overrides={})


def elsewhere(action: Callable[[], Any]) -> None:
    """Do something as the platform's operator in another process: here, on a connection of another thread."""

    def work() -> None:
        with platform_context():
            action()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def _acme() -> dict[str, Any]:
    root = User.objects.get(username="root")
    return {"tenant": Tenant.objects.get(schema_name="acme"), "by": root, "now": NOW}


def suspend() -> None:
    elsewhere(lambda: platform.suspend(reason="unpaid", **_acme()))


def activate() -> None:
    elsewhere(lambda: platform.activate(**_acme()))


def seen(run: Run) -> tuple[str, str]:
    stored = Run.objects.get(pk=run.pk)
    return stored.status, stored.pause_reason


def entered(probe: type[Probe]) -> list[str]:
    return [name for name, _ in probe.entered]


class TestSuspended:
    def test_while_the_model_answers_stops_the_run_before_the_tool(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        def suspended() -> dict[str, Any]:
            suspend()
            return calls(("strike", {}))

        model.script(suspended, text("Done."))
        run = work(start("go"))
        assert seen(run) == ("paused", SAID)
        assert probe.entered == []
        activate()
        assert seen(run) == ("queued", "")
        assert work(run).output == {"answer": "Done."}
        assert (entered(probe), len(model.requests)) == (["strike"], 2)

    def test_while_a_tool_runs_records_it_and_stops_before_the_next(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        model.script(calls(("strike", {}), ("peek", {})), text("Done."))
        probe.during = suspend
        run = work(start("go"))
        assert seen(run) == ("paused", SAID)
        assert [step.status for step in run.steps.filter(kind="tool")] == ["succeeded"]
        activate()
        run = work(run)
        assert (run.status, entered(probe)) == ("succeeded", ["strike", "peek"])

    def test_after_people_approved_does_not_start_the_call(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, bob: Any
    ) -> None:
        model.script(calls(("offer", {"amount": 5})), text("Done."))
        run = work(start("go"))
        assert run.status == "waiting"
        say(run, bob, "approve")
        suspend()
        assert seen(work(run)) == ("paused", SAID)
        assert probe.entered == []
        activate()
        run = work(run)
        assert (run.status, entered(probe)) == ("succeeded", ["offer"])

    def test_pauses_what_is_queued_and_lets_it_go_on(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work, oscar: Any
    ) -> None:
        model.script(text("Done."))
        run = start("go")
        suspend()
        assert seen(run) == ("paused", SAID)
        with pytest.raises(StaleTransition):
            operations.resume(run=run, user=oscar, now=NOW)
        activate()
        assert seen(run) == ("queued", "")
        assert work(run).status == "succeeded"
        trail = list(AuditEvent.objects.filter(run_id=run.pk).order_by("id").values_list("action", flat=True))
        assert trail[:3] == ["run.started", "run.paused", "run.resumed"]

    def test_is_passed_over_by_sweeps_until_it_is_active(self, model: FakeModel, start: Start) -> None:
        run = start("go")
        suspend()
        assert "acme" not in tenants.served_schemas()
        with platform_context():
            sweep_runs.run()
        assert seen(run) == ("paused", SAID)
        activate()
        assert "acme" in tenants.served_schemas()

    def test_keeps_its_timers_and_messages_until_it_is_active(self, acme: Any, alice: Any) -> None:
        outbox.rule(alice, outbox.contact(alice, "email", "alice@example.com"))
        about: dict[str, Any] = {"kind": "test", "subject": "Look", "text": "", "dedup": "look"}
        notifications.tell(recipients=[alice], review=None, now=NOW, **about)
        set_timer(kind="review.expire", object_id=uuid7(), due_at=NOW)
        mine = Timer.objects.filter(schema="acme", kind="review.expire", due_at=NOW)
        suspend()
        assert delivery.claim(now=NOW) == []
        tick(now=NOW)
        assert mine.exists()
        activate()
        tick(now=NOW)
        assert not mine.exists()
        assert delivery.claim(now=NOW) != []

    def test_leaves_another_tenant_alone(self, model: FakeModel, globex_tenant: Any) -> None:
        from agents.catalog.models import Agent
        from agents.runs.advance import advance

        model.script(text("Done."))
        suspend()
        with tenant_context(globex_tenant):
            oscar = User.objects.get(username="oscar")
            run = operations.start(
                agent=Agent.objects.get(), user=oscar, input={"query": "go"}, trace_id="0" * 32, now=NOW
            )
            advance(run_id=str(run.pk), clock=lambda: NOW)
            assert seen(run) == ("succeeded", "")


class TestConcurrentRuns:
    def test_are_limited_by_the_tier_at_once(
        self, probe: type[Probe], model: FakeModel, start: Start, work: Work
    ) -> None:
        with platform_context():
            Tenant.objects.filter(schema_name="acme").update(overrides={"concurrent_runs": 1})
        first, second = start("go"), start("go")
        seen_inside: list[tuple[str, str]] = []

        def another() -> None:
            def advance_second() -> None:
                with tenant_context(schema_tenant("acme")):
                    seen_inside.append((work(second).status, Run.objects.get(pk=second.pk).waits_for))

            elsewhere(advance_second)

        probe.during = another
        model.script(calls(("strike", {})), text("Done."))
        assert work(first).status == "succeeded"
        assert seen_inside == [("queued", "tenant:")]


class TestSockets:
    def test_of_a_suspended_tenant_are_nobodys_at_their_next_look(self, acme: Any, alice: Any) -> None:
        browser = Client(headers={"host": "acme.localhost"})
        browser.force_login(alice)
        key = browser.cookies["sessionid"].value
        assert consumers._of_session("acme.localhost", key) == ("acme", alice.pk)
        suspend()
        assert consumers._of_session("acme.localhost", key) is None
        assert consumers.RECHECK_S <= 30
