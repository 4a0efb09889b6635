"""Index of this app's tasks."""

from hitl.reviews.tasks import expire_reviews
from hitl.routing.tasks import recheck_reviews

__all__ = ["expire_reviews", "recheck_reviews"]
