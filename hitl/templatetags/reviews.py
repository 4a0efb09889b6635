"""What every page may say about the queue."""

from typing import Any

from django import template

from hitl.reviews.models import Review

register = template.Library()


@register.simple_tag(takes_context=True)
def pending_reviews(context: dict[str, Any]) -> int | None:
    """Return how many reviews wait for people; None for those who may not see them."""
    request = context.get("request")
    if request is None or not request.user.has_perm("hitl.view_review"):
        return None
    return Review.objects.pending().count()
