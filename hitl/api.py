"""Index of this app's API."""

from hitl.notifications.api import EndpointViewSet, NotificationViewSet
from hitl.reviews.api import ReviewViewSet

__all__ = ["EndpointViewSet", "NotificationViewSet", "ReviewViewSet"]
