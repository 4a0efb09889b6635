"""The clock of the timers."""

from celery import shared_task

from tenants.kernel.tasks import PlatformTask
from tenants.timers import tick as timers


@shared_task(base=PlatformTask, name="tenants.tick", expires=2)  # type: ignore[untyped-decorator]  # celery is untyped
def tick() -> None:
    """Fire the timers of every tenant that are due; one that finds nothing costs two short queries."""
    timers.tick(now=timers.database_now())
