"""Celery edges of runs: a doorbell, a sweeper, and the signal that the worker stops."""

from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down
from django.utils import timezone

from agents.halts.operations import resume_unhalted
from agents.runs import advance, operations, shutdown
from tenants.kernel.tasks import PlatformTask, TenantTask
from tenants.kernel.tenants import in_each_schema


@shared_task(base=TenantTask, name=operations.ADVANCE)  # type: ignore[untyped-decorator]  # celery is untyped
def advance_run(run_id: str) -> None:
    """Advance one run as far as it goes; does nothing if another worker has it or it is not runnable."""
    advance.advance(run_id=run_id)


@shared_task(base=PlatformTask, name="agents.sweep_runs", expires=10)  # type: ignore[untyped-decorator]  # celery is untyped
def sweep_runs() -> None:
    """Ring again for runs of every tenant that stalled."""
    in_each_schema(_sweep_tenant, platform=False)


@worker_shutting_down.connect(dispatch_uid="runs.shutdown")  # type: ignore[untyped-decorator]  # celery is untyped
def hand_runs_back(**_kwargs: Any) -> None:
    """Let the runs of this worker be handed back at their next step, so that a deployment loses none."""
    shutdown.request()


def _sweep_tenant() -> None:
    now = timezone.now()
    resume_unhalted(now)
    operations.requeue_stalled(now=now)
