"""Look again at who can decide what waits."""

from celery import shared_task
from django.utils import timezone

from hitl.routing.recheck import recheck
from tenants.kernel.tasks import PlatformTask
from tenants.kernel.tenants import in_each_schema


@shared_task(base=PlatformTask, name="hitl.recheck_reviews", expires=60)  # type: ignore[untyped-decorator]  # celery is untyped
def recheck_reviews() -> None:
    """Find, in every tenant, pending reviews that changes of people or roles left undecidable."""
    in_each_schema(_recheck_tenant, platform=False)


def _recheck_tenant() -> None:
    recheck(now=timezone.now())
