"""Index of this app's API."""

from hitl.grants.api import GrantViewSet
from hitl.reviews.api import ReviewViewSet

__all__ = ["GrantViewSet", "ReviewViewSet"]
