"""What every page may say about the person's inbox."""

from typing import Any

from django import template

from hitl.notifications.models import Notification

register = template.Library()


@register.simple_tag(takes_context=True)
def unread_messages(context: dict[str, Any]) -> int | None:
    """Return how many messages in the person's inbox are unread; None for nobody."""
    request = context.get("request")
    if request is None or not request.user.is_authenticated:
        return None
    return Notification.objects.inbox_of(request.user.pk).unread().count()
