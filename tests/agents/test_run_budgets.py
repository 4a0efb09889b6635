"""Runs under budgets: reserved before each call, settled after it, and stopped where nothing is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from agents.catalog.models import Agent
from agents.runs import lease
from agents.runs import operations as runs
from agents.runs.api import RunSerializer
from agents.runs.models import Run, Step
from agents.tools.models import Tool
from governance.audit.models import AuditEvent
from governance.metering import operations as metering
from governance.metering.models import Budget, BudgetWindow, Reservation, UsageRecord
from governance.policies.models import PolicyDecision
from tenants.kernel.context import schema_tenant, tenant_context
from tests.agents import probes
from tests.agents.fake_model import FakeModel, Fault, calls, text
from tests.agents.probes import Probe
from tests.conftest import ROOT, database_url
from tests.governance.clones import as_owner
from tests.governance.samples import NOW

MODEL = "fake-model"
COST = 10 * 2 + 5 * 4
"""What each answer of the fake model costs in micro-dollars: 10 tokens in, 5 out."""
Start = Callable[..., Run]
Work = Callable[..., Run]


@pytest.fixture
def db(committed: str, model: FakeModel, settings: Any) -> Iterator[None]:
    """Use the module's own database and a model with a price; leave no budget behind."""
    settings.OPENAI_MODEL = MODEL
    with as_owner(committed) as owner:
        for kind, micros in (("input", 2_000_000), ("output", 4_000_000)):
            owner.execute(
                "INSERT INTO acme.governance_price (id, pattern, kind, micros, valid_from, source)"
                " SELECT gen_random_uuid(), %s, %s, %s, '2026-01-01', 'a test'"
                " WHERE NOT EXISTS (SELECT 1 FROM acme.governance_price WHERE pattern = %s AND kind = %s)",
                [MODEL, kind, micros, MODEL, kind],
            )
    yield
    with as_owner(committed) as owner:
        for table in ("reservation", "budgetwindow", "budget"):
            owner.execute(f"DELETE FROM acme.governance_{table}")
        owner.execute("UPDATE acme.agents_tool SET cost_micros = 0")


@pytest.fixture
def probe(agent: Any) -> Iterator[type[Probe]]:
    """Give the agent the probes."""
    with probes.installed(agent) as installed:
        yield installed


@pytest.fixture
def configure(agent: Agent) -> Iterator[Callable[..., None]]:
    """Return a function that changes settings of the agent."""
    before = dict(agent.config)

    def change(**settings: Any) -> None:
        Agent.objects.filter(pk=agent.pk).update(config={**before, **settings})
        agent.config = {**before, **settings}

    yield change
    Agent.objects.filter(pk=agent.pk).update(config=before)


def budget(limit: int, **more: Any) -> Budget:
    given = {"name": "A day", "scope": "tenant", "window": "day", "unit": "micros", **more}
    return Budget.objects.create(limit=limit, **given)


def standing() -> tuple[int, int]:
    window = BudgetWindow.objects.get()
    return window.spent, window.reserved


def usage_of(run: Run) -> list[UsageRecord]:
    return list(UsageRecord.objects.filter(run_id=run.pk).order_by("id"))


class TestARun:
    def test_says_what_it_has_cost(
        self, start: Start, work: Work, probe: type[Probe], model: FakeModel
    ) -> None:
        model.script(calls(("peek", {})), text("Done."))
        run = work(start("look"))
        assert run.cost_micros == 2 * COST
        assert RunSerializer(run).data["usage"] == {
            "input_tokens": 20, "output_tokens": 10, "cost_usd": 0.00008,
        }  # fmt: skip
        assert [(row.name, row.cost_micros, len(row.prices)) for row in usage_of(run)] == [
            (MODEL, COST, 2)
        ] * 2

    def test_of_a_model_without_a_price_says_null(self, start: Start, work: Work, settings: Any) -> None:
        settings.OPENAI_MODEL = "nobody-knows"
        run = work(start("look"))
        assert RunSerializer(run).data["usage"]["cost_usd"] is None
        assert [row.cost_micros for row in usage_of(run)] == [None]

    def test_tells_the_model_where_to_stop(
        self, start: Start, work: Work, model: FakeModel, configure: Callable[..., None]
    ) -> None:
        configure(max_output_tokens=77)
        work(start("look"))
        assert model.requests[0]["max_tokens"] == 77

    def test_reserves_before_the_call_and_settles_after_it(
        self, start: Start, work: Work, model: FakeModel
    ) -> None:
        budget(10_000_000)
        seen = []

        def answer() -> Any:
            seen.append(windows_now())
            return text("Done.")

        model.script(answer)
        run = work(start("look"))
        assert run.status == Run.Status.SUCCEEDED
        [[(spent, reserved)]] = seen
        assert spent == 0
        assert reserved >= 4096 * 4, "the cap of the answer, and the input besides"
        assert standing() == (COST, 0)
        assert Reservation.objects.get().status == Reservation.Status.SETTLED

    def test_that_loops_is_halted_within_a_step_of_its_limit(
        self, start: Start, work: Work, probe: type[Probe], model: FakeModel, configure: Callable[..., None]
    ) -> None:
        configure(max_output_tokens=10)
        model.script(calls(("peek", {})))  # for ever
        estimate = _estimate(start, work, model)
        Probe.reset()
        of = budget(3 * COST + estimate, scope="run", window="run", name="Each run")
        model.script(calls(("peek", {})))
        run = work(start("look"))
        assert run.status == Run.Status.FAILED
        assert run.error["code"] == "budget-exceeded"
        assert "“Each run” of each run" in run.error["message"]
        assert "An administrator (Admin, Budgets) can raise it" in run.error["message"]
        window = BudgetWindow.objects.get(budget=of)
        assert (window.reserved, window.spent <= of.limit) == (0, True)
        assert len(model.requests) <= window.spent // COST == run.steps.filter(kind="model").count() - 1
        assert AuditEvent.objects.filter(run_id=run.pk, action="budget.refused").count() == 1

    def test_is_halted_at_what_its_agent_may_cost(
        self, start: Start, work: Work, probe: type[Probe], model: FakeModel, configure: Callable[..., None]
    ) -> None:
        configure(max_output_tokens=10, max_cost_micros=20_000)
        model.script(calls(("peek", {})))
        run = work(start("look"))
        assert run.error["code"] in {"budget-exceeded", "too-many-turns"}
        assert (run.cost_micros or 0) <= 20_000

    def test_ends_with_its_fallback_answer_where_it_has_one(
        self, start: Start, work: Work, configure: Callable[..., None]
    ) -> None:
        configure(fallback_answer="Sorry, later.")
        budget(1)
        run = work(start("look"))
        assert run.status == Run.Status.SUCCEEDED
        assert (run.output["answer"], run.output["reason"]["code"]) == ("Sorry, later.", "budget-exceeded")

    def test_is_refused_where_its_model_has_no_price(self, start: Start, work: Work, settings: Any) -> None:
        settings.OPENAI_MODEL = "nobody-knows"
        budget(10_000_000)
        assert work(start("look")).error["code"] == "price-unknown"


class TestAModel:
    def test_that_refuses_costs_nothing(self, start: Start, work: Work, model: FakeModel) -> None:
        budget(10_000_000)
        model.script(Fault(status=400))
        run = work(start("look"))
        assert standing() == (0, 0)
        assert usage_of(run) == []

    def test_that_is_cut_off_may_have_done_the_work_and_counts_as_estimated(
        self, start: Start, work: Work, model: FakeModel
    ) -> None:
        budget(10_000_000)
        model.script(Fault(cut=True))
        run = work(start("look"))
        [held] = Reservation.objects.all()
        assert held.status == Reservation.Status.UNKNOWN
        assert standing() == (held.estimate["micros"], 0)
        assert [row.estimated for row in usage_of(run)] == [True]

    def test_that_is_asked_again_is_another_attempt(self, start: Start, work: Work, model: FakeModel) -> None:
        budget(10_000_000)
        model.script(Fault(status=503), text("Done."))
        run = work(start("look"))
        run = work(run, at=NOW + timedelta(minutes=5))
        assert run.status == Run.Status.SUCCEEDED
        statuses = list(Reservation.objects.order_by("id").values_list("status", flat=True))
        assert statuses == ["released", "settled"]
        assert len(set(Reservation.objects.values_list("key", flat=True))) == 2
        assert standing() == (COST, 0)

    def test_that_stands_in_for_another_is_reserved_for_itself(
        self, start: Start, work: Work, model: FakeModel, configure: Callable[..., None]
    ) -> None:
        configure(fallback_models=["gpt-4.1-mini"])
        budget(10_000_000)
        model.script(Fault(status=400), text("Done."))
        run = work(start("look"))
        assert run.status == Run.Status.SUCCEEDED
        assert [row.name for row in usage_of(run)] == ["gpt-4.1-mini"]
        assert standing() == (-(-(10 * 400_000 + 5 * 1_600_000) // 1_000_000), 0)


class TestATool:
    def test_with_a_price_is_counted(
        self, start: Start, work: Work, probe: type[Probe], model: FakeModel
    ) -> None:
        Tool.objects.filter(name="strike").update(cost_micros=5_000)
        budget(10_000_000)
        model.script(calls(("strike", {})), text("Done."))
        run = work(start("hit it"))
        assert Probe.names() == ["strike"]
        assert standing() == (2 * COST + 5_000, 0)
        assert run.cost_micros == 2 * COST + 5_000
        assert [row.name for row in usage_of(run)] == [MODEL, "strike", MODEL]
        asked = PolicyDecision.objects.get(run_id=run.pk).request["circumstances"]["cost"]
        assert asked == {"estimate": 5_000, "run_spent": COST}, "what rules are told"

    def test_that_does_not_fit_is_refused_and_never_entered(
        self, start: Start, work: Work, probe: type[Probe], model: FakeModel
    ) -> None:
        Tool.objects.filter(name="strike").update(cost_micros=50_000_000)
        budget(10_000_000)
        model.script(calls(("strike", {})), text("Then not."))
        run = work(start("hit it"))
        assert (run.status, Probe.names()) == (Run.Status.SUCCEEDED, [])
        step = run.steps.get(kind="tool")
        assert step.status == Step.Status.DENIED
        assert step.result["content"]["error"]["code"] == "budget-exceeded"
        assert standing() == (2 * COST, 0)

    def test_that_never_started_costs_nothing(
        self, start: Start, work: Work, probe: type[Probe], model: FakeModel
    ) -> None:
        Tool.objects.filter(name="strike").update(cost_micros=5_000)
        budget(10_000_000)
        model.script(calls(("strike", {})), text("Then not."))
        Probe.during = staticmethod(probes.fails(transient=False, started=False))
        work(start("hit it"))
        assert standing() == (2 * COST, 0)


class TestAKilledWorker:
    @pytest.mark.parametrize("point", ["model.after-call", "model.before-commit"])
    def test_leaves_its_call_settled_at_the_estimate(
        self, committed: str, start: Start, work: Work, model: FakeModel, tmp_path: Path, point: str
    ) -> None:
        budget(10_000_000)
        run = start("look")
        armed, ledger = tmp_path / "armed", tmp_path / "ledger"
        armed.write_text(point)
        ledger.touch()
        worker = subprocess.run(
            [sys.executable, "-m", "tests.hitl.crashing_worker", str(run.pk), str(armed), str(ledger)],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database_url(committed, os.environ["DATABASE_URL"]),
                "OPENAI_BASE_URL": model.url,
                "OPENAI_MODEL": MODEL,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert worker.returncode == -signal.SIGKILL, worker.stderr
        held = Reservation.objects.get()
        estimate = held.estimate["micros"]
        assert (held.status, standing()) == (Reservation.Status.OPEN, (0, estimate))
        later = NOW + timedelta(seconds=lease.seconds() + 1)
        runs.requeue(run=Run.objects.select_related("requester").get(pk=run.pk), now=later)
        run = work(run, at=later)
        assert run.status == Run.Status.SUCCEEDED
        assert standing() == (COST, estimate), "asked again under a reservation of its own"
        assert metering.settle_lost(now=NOW + timedelta(minutes=10)) == 1
        assert standing() == (COST + estimate, 0)
        held.refresh_from_db()
        assert held.status == Reservation.Status.UNKNOWN
        assert [(row.cost_micros, row.estimated) for row in usage_of(run)] == [
            (COST, False),
            (estimate, True),
        ]


class TestABudget:
    def test_that_none_counts_adds_no_statement(self, start: Start, work: Work) -> None:
        run = work(start("look"))
        assert not Reservation.objects.filter(run_id=run.pk).exists()
        assert not BudgetWindow.objects.exists()


def _estimate(start: Start, work: Work, model: FakeModel) -> int:
    """Return what the first call of a run is reserved for."""
    probe = budget(10**12, name="Measured")
    model.script(text("Done."))
    work(start("look"))
    held = Reservation.objects.latest("id")
    Reservation.objects.all().delete()
    BudgetWindow.objects.all().delete()
    probe.delete()
    return int(held.estimate["micros"])


def windows_now() -> list[tuple[int, int]]:
    """Return what the windows hold at this moment, on another connection than the worker's."""
    with tenant_context(schema_tenant("acme")):
        found = list(BudgetWindow.objects.values_list("spent", "reserved"))
    connection.close()
    return found
