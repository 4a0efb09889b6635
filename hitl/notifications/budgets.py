"""Tell the tenant that a budget is half, nearly or wholly spent."""

from datetime import datetime
from typing import Any

from governance.metering.types import Scope
from governance.metering.words import amount_in_words, who_can_raise, whose
from hitl.notifications import operations
from hitl.notifications.types import Kind


def on_budget_warned(*, warning: Any, now: datetime, **_kwargs: Any) -> None:
    """Put it into the outbox for the tenant's endpoints, or its admins' inboxes, in the warning transaction."""
    spent, limit = (amount_in_words(amount, warning.unit) for amount in (warning.spent, warning.limit))
    figures = "" if warning.scope == Scope.PLATFORM else f"{spent} of {limit} are spent. "
    told = "admits no more calls" if warning.refused else f"{warning.level} % spent"
    operations.notify_tenant(
        review=None,
        kind=Kind.BUDGET,
        subject=f"Budget “{warning.name}”: {told}",
        text=(
            f"{figures}It counts the calls of {whose(warning.scope, '')}. "
            f"{who_can_raise(is_platforms=warning.is_platforms)} can raise it."
        ),
        dedup=f"budget:{warning.window}:{warning.level}",
        now=now,
    )
