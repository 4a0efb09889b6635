"""Settle on the clock what lost workers left open."""

from celery import shared_task
from django.utils import timezone

from governance.metering.operations import settle_lost
from tenants.kernel.tasks import PlatformTask
from tenants.kernel.tenants import in_each_schema


@shared_task(base=PlatformTask, name="governance.settle_reservations", expires=10)  # type: ignore[untyped-decorator]  # celery is untyped
def settle_reservations() -> None:
    """Settle at the estimate what every tenant reserved for calls whose worker was lost."""
    in_each_schema(_settle_tenant, platform=False)


def _settle_tenant() -> None:
    settle_lost(now=timezone.now())
