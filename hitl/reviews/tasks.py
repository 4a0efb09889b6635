"""Close reviews whose time is over."""

from celery import shared_task
from django.utils import timezone

from hitl.reviews.models import Review
from hitl.reviews.operations import expire
from tenants.kernel.context import schema_tenant, tenant_context
from tenants.kernel.errors import StaleTransition
from tenants.kernel.tasks import PlatformTask
from tenants.kernel.tenants import active_tenants


@shared_task(base=PlatformTask, name="hitl.expire_reviews", expires=20)  # type: ignore[untyped-decorator]  # celery is untyped
def expire_reviews() -> None:
    """Expire overdue reviews of every tenant; one that was decided meanwhile is left alone."""
    now = timezone.now()
    for schema in active_tenants():
        with tenant_context(schema_tenant(schema)):
            for review in Review.objects.due_to_expire(now)[:200]:
                try:
                    expire(review=review, now=now)
                except StaleTransition:
                    continue
