"""Close reviews whose time is over but which have no timer: those opened before timers existed."""

from contextlib import suppress

from celery import shared_task
from django.utils import timezone

from hitl.reviews.models import Review
from hitl.reviews.operations import expire
from tenants.kernel.errors import StaleTransition
from tenants.kernel.tasks import PlatformTask
from tenants.kernel.tenants import in_each_schema

BATCH = 200


@shared_task(base=PlatformTask, name="hitl.expire_reviews", expires=20)  # type: ignore[untyped-decorator]  # celery is untyped
def expire_reviews() -> None:
    """Expire overdue reviews of every tenant; one that was decided meanwhile is left alone."""
    in_each_schema(_expire_overdue, platform=False)


def _expire_overdue() -> None:
    now = timezone.now()
    for review in Review.objects.due_to_expire(now)[:BATCH]:
        with suppress(StaleTransition):
            expire(review=review, now=now)
