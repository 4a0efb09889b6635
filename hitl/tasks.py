"""Index of this app's tasks."""

from hitl.reviews.tasks import expire_reviews

__all__ = ["expire_reviews"]
