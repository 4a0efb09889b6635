"""Index of this app's tasks."""

from hitl.escalation.tasks import (
    check_all_coverage,
    watch_escalations,
)
from hitl.reviews.tasks import (
    expire_reviews,
)
from hitl.routing.tasks import (
    recheck_reviews,
)

__all__ = [
    "check_all_coverage",
    "expire_reviews",
    "recheck_reviews",
    "watch_escalations",
]
