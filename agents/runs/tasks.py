"""Celery edges of runs: a doorbell and a sweeper."""

from celery import shared_task
from django.utils import timezone

from agents.runs import advance, operations
from agents.runs.models import Run
from tenants.kernel.tasks import PlatformTask, TenantTask
from tenants.kernel.tenants import in_each_schema

DOORBELL_GRACE_S = 5.0
BATCH = 200


@shared_task(base=TenantTask, name=operations.ADVANCE)  # type: ignore[untyped-decorator]  # celery is untyped
def advance_run(run_id: str) -> None:
    """Advance one run as far as it goes; does nothing if another worker has it or it is not runnable."""
    advance.advance(run_id=run_id)


@shared_task(base=PlatformTask, name="agents.sweep_runs", expires=10)  # type: ignore[untyped-decorator]  # celery is untyped
def sweep_runs() -> None:
    """Ring again for runs of every tenant that stalled."""
    in_each_schema(_requeue_stalled, platform=False)


def _requeue_stalled() -> None:
    now = timezone.now()
    for run in Run.objects.stalled(now, grace_s=DOORBELL_GRACE_S).select_related("requester")[:BATCH]:
        operations.requeue(run=run, now=now)
