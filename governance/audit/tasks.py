"""Seal audit logs on the clock."""

from celery import shared_task

from governance.audit.operations import seal_all
from tenants.kernel.tasks import PlatformTask
from tenants.kernel.tenants import in_each_schema


@shared_task(base=PlatformTask, name="governance.seal_audit_logs", expires=10)  # type: ignore[untyped-decorator]  # celery is untyped
def seal_audit_logs() -> None:
    """Seal what every tenant and the platform wrote; one altered log does not stop the others."""
    in_each_schema(seal_all, platform=True, suspended=True)
