"""Watch escalations every minute, and look ahead every night."""

from celery import shared_task
from django.utils import timezone

from hitl.escalation.auditor import audit_escalations
from hitl.escalation.models import EscalationPolicy
from hitl.escalation.preview import check_coverage
from tenants.kernel.tasks import PlatformTask
from tenants.kernel.tenants import in_each_schema


@shared_task(base=PlatformTask, name="hitl.watch_escalations", expires=50)  # type: ignore[untyped-decorator]  # celery is untyped
def watch_escalations() -> None:
    """Find escalations of every tenant that are late or missing."""
    in_each_schema(_watch, platform=False)


def _watch() -> None:
    audit_escalations(now=timezone.now())


@shared_task(base=PlatformTask, name="hitl.check_coverage", expires=3600)  # type: ignore[untyped-decorator]  # celery is untyped
def check_all_coverage() -> None:
    """Find the hours of the next 14 days in which a policy of any tenant would call nobody."""
    in_each_schema(_check, platform=False)


def _check() -> None:
    now = timezone.now()
    for policy in EscalationPolicy.objects.filter(enabled=True):
        check_coverage(policy=policy, now=now)
