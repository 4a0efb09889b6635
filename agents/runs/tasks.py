"""Celery edges of runs: a doorbell and a sweeper."""

from celery import shared_task
from django.utils import timezone

from agents.runs import advance, operations
from agents.runs.models import Run
from tenants.kernel.context import schema_tenant, tenant_context
from tenants.kernel.tasks import PlatformTask, TenantTask
from tenants.kernel.tenants import active_tenants

DOORBELL_GRACE_S = 5.0


@shared_task(base=TenantTask, name=operations.ADVANCE)  # type: ignore[untyped-decorator]  # celery is untyped
def advance_run(run_id: str) -> None:
    """Advance one run as far as it goes; does nothing if another worker has it or it is not runnable."""
    advance.advance(run_id=run_id)


@shared_task(base=PlatformTask, name="agents.sweep_runs", expires=10)  # type: ignore[untyped-decorator]  # celery is untyped
def sweep_runs() -> None:
    """Ring again for runs of every tenant that stalled."""
    now = timezone.now()
    for schema in active_tenants():
        with tenant_context(schema_tenant(schema)):
            for run in Run.objects.stalled(now, grace_s=DOORBELL_GRACE_S).select_related("requester")[:200]:
                operations.requeue(run=run, now=now)
