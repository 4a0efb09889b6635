"""Forget expired tokens on the clock."""

from celery import shared_task
from django.utils import timezone

from governance.identity import operations
from tenants.kernel.tasks import PlatformTask
from tenants.kernel.tenants import in_each_schema


def _forget() -> None:
    operations.forget(now=timezone.now())


@shared_task(base=PlatformTask, name="governance.forget_tokens", expires=300)  # type: ignore[untyped-decorator]  # celery is untyped
def forget_tokens() -> None:
    """Drop what is kept about expired tokens, in every tenant."""
    in_each_schema(_forget, platform=False)
