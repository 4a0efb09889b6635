"""What every page may say about the queue."""

from typing import Any

from django import template

from hitl.reviews.models import Review
from hitl.reviews.verbs import was_sent_back
from tenants.templatetags.display import cut, one_line, words

register = template.Library()


@register.simple_tag(takes_context=True)
def pending_reviews(context: dict[str, Any]) -> int | None:
    """Return how many reviews wait for people; None for those who may not see them.

    A page that has counted them already says so in `pending_total`.
    """
    request = context.get("request")
    if request is None or not request.user.has_perm("hitl.view_review"):
        return None
    known: int | None = context.get("pending_total")
    return Review.objects.pending().count() if known is None else known


@register.filter
def headline(review: Review) -> str:
    """Return what a review asks, in few words, for lists and titles."""
    match review.kind:
        case Review.Kind.OUTCOME:
            return f"Did this happen? {words(review.tool)}"
        case Review.Kind.HANDOFF:
            return "A run needs a person"
        case Review.Kind.QUESTION:
            return f"{review.agent_name} asks"
        case Review.Kind.ESCALATION:
            return f"{review.requester.username} asks for help"
        case _:
            return words(review.tool)


@register.filter
def ending(review: Review) -> str:
    """Return the review's status, and `sent_back` for one that was closed with guidance."""
    return "sent_back" if was_sent_back(review) else str(review.status)


@register.filter
def gist(review: Review, limit: int = 160) -> str:
    """Return what a review is about as one line: the call's arguments, the question, or what failed."""
    match review.kind:
        case Review.Kind.TOOL_CALL | Review.Kind.OUTCOME:
            return one_line(review.ordered_arguments, limit=limit)
        case Review.Kind.QUESTION | Review.Kind.ESCALATION:
            return cut(" ".join(review.reason.split()), limit)
    asked = cut(" ".join(str(review.evidence.get("query", "")).split()), limit // 3)
    return one_line({"asked": asked, "error": review.reason}, limit=limit)
