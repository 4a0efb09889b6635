"""Index of this app's API."""

from hitl.reviews.api import ReviewViewSet

__all__ = ["ReviewViewSet"]
