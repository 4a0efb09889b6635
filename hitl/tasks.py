"""Index of this app's tasks."""

from hitl.escalation.tasks import (
    check_all_coverage,
    watch_escalations,
)
from hitl.notifications.tasks import (
    answer_slack,
    deliver,
)
from hitl.reviews.tasks import (
    expire_reviews,
)
from hitl.routing.tasks import (
    recheck_reviews,
)

__all__ = [
    "answer_slack",
    "check_all_coverage",
    "deliver",
    "expire_reviews",
    "recheck_reviews",
    "watch_escalations",
]
