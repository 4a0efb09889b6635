"""Seal audit logs on the clock."""

import logging

from celery import shared_task
from django.utils import timezone

from governance.audit.operations import SEAL_BATCH, AuditAltered, seal
from tenants.kernel.context import schema_tenant, tenant_context
from tenants.kernel.tasks import PlatformTask
from tenants.kernel.tenants import active_schemas

logger = logging.getLogger(__name__)


@shared_task(base=PlatformTask, name="governance.seal_audit_logs", expires=10)  # type: ignore[untyped-decorator]  # celery is untyped
def seal_audit_logs() -> None:
    """Seal what every tenant and the platform wrote; one altered log does not stop the others."""
    for schema in active_schemas():
        with tenant_context(schema_tenant(schema)):
            try:
                while seal(now=timezone.now()) == SEAL_BATCH:
                    continue
            except AuditAltered:
                logger.critical("The audit log of %s was altered", schema, exc_info=True)
