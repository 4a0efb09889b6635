"""Index of this app's tables."""

from hitl.notifications.models import ChatAction, Contact, Endpoint, Notification, NotificationRule
from hitl.reviews.models import Review, ReviewMessage, ReviewPlan, ReviewTier, ReviewView, Vote

__all__ = [
    "ChatAction",
    "Contact",
    "Endpoint",
    "Notification",
    "NotificationRule",
    "Review",
    "ReviewMessage",
    "ReviewPlan",
    "ReviewTier",
    "ReviewView",
    "Vote",
]
