"""Stalled runs of every tenant are rung again."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.runs import tasks
from agents.runs.models import Run
from governance.audit.models import AuditEvent
from tenants.kernel.context import platform_context, tenant_context
from tenants.kernel.models import uuid7


@pytest.fixture
def run(agent: Any, oscar: Any) -> Run:
    """Return a run whose worker went quiet."""
    return stalled(agent, oscar)


def stalled(agent: Any, user: Any, **more: Any) -> Run:
    long_ago = timezone.now() - timedelta(hours=1)
    facts = {"status": "running", "lease_token": uuid7(), "lease_expires_at": long_ago, **more}
    return Run.objects.create(
        agent=agent, agent_version=1, snapshot={"agent": agent.name}, requester=user, input={}, trace_id="",
        created_at=long_ago, updated_at=long_ago, **facts,
    )  # fmt: skip


def tick() -> None:
    with platform_context():
        tasks.sweep_runs.run()


class TestSweep:
    def test_takes_the_run_from_a_worker_that_went_quiet(self, run: Run) -> None:
        token = run.lease_token
        tick()
        run.refresh_from_db()
        assert (run.status, run.lease_token) == (Run.Status.QUEUED, None)
        event = AuditEvent.objects.get(run_id=run.pk, action="run.recovered")
        assert event.body == {"lease": str(token), "recoveries": 1}

    def test_leaves_a_worker_that_is_at_it_alone(self, agent: Any, oscar: Any) -> None:
        run = stalled(agent, oscar, lease_expires_at=timezone.now() + timedelta(minutes=1))
        tick()
        run.refresh_from_db()
        assert run.status == Run.Status.RUNNING

    @pytest.mark.parametrize("status", ["waiting", "succeeded", "failed", "cancelled"])
    def test_leaves_runs_that_wait_or_ended_alone(self, agent: Any, oscar: Any, status: str) -> None:
        run = stalled(agent, oscar, status=status)
        tick()
        run.refresh_from_db()
        assert run.status == status

    def test_rings_again_for_a_queued_run_whose_doorbell_was_lost(self, agent: Any, oscar: Any) -> None:
        run = stalled(agent, oscar, status="queued", lease_token=None, lease_expires_at=None)
        before = run.updated_at
        tick()
        run.refresh_from_db()
        assert run.updated_at > before
        assert not AuditEvent.objects.filter(run_id=run.pk, action="run.recovered").exists()

    def test_visits_every_tenant(self, run: Run, globex_tenant: Any) -> None:
        from agents.catalog.models import Agent
        from governance.access.models import User

        with tenant_context(globex_tenant):
            theirs = stalled(Agent.objects.get(), User.objects.get(username="oscar"))
        tick()
        with tenant_context(globex_tenant):
            theirs.refresh_from_db()
        assert theirs.status == Run.Status.QUEUED
