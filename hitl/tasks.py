"""Index of this app's tasks."""

from hitl.notifications.tasks import answer_slack, deliver
from hitl.reviews.tasks import expire_reviews

__all__ = ["answer_slack", "deliver", "expire_reviews"]
