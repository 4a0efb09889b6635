"""Celery edges of notifications: send what is due, and answer Slack."""

import logging

from celery import shared_task
from django.utils import timezone

from hitl.notifications import delivery, slack_actions
from hitl.notifications.base import SendFailed
from hitl.notifications.operations import DELIVER
from tenants.kernel import tasks
from tenants.kernel.tasks import TenantTask

logger = logging.getLogger(__name__)
AT_ONCE = 200
"""Messages that one task sends before it lets others have the worker."""


@shared_task(base=TenantTask, name=DELIVER)  # type: ignore[untyped-decorator]  # celery is untyped
def deliver() -> None:
    """Send what is due in this tenant; several at once share the work."""
    for _ in range(AT_ONCE):
        if not delivery.deliver_one(now=timezone.now()):
            return
    tasks.enqueue(DELIVER)


@shared_task(base=TenantTask, name="hitl.answer_slack")  # type: ignore[untyped-decorator]  # celery is untyped
def answer_slack(response_url: str, text: str, final: bool) -> None:
    """Tell Slack what came of a press; if it cannot be told, the review's page says it."""
    try:
        slack_actions.reply(response_url=response_url, text=text, final=final)
    except SendFailed as error:
        logger.warning("Slack was not told what came of a press: %s", error.detail)
