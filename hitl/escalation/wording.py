"""What notices say about a review."""

from hitl.reviews.models import Review
from hitl.templatetags.reviews import headline
from tenants.templatetags.display import cut

LIMIT = 80


def title(review: Review) -> str:
    """Return what a review asks in few words; one that has none for it, by its subject."""
    return headline(review) or cut(" ".join(review.reason.split()), LIMIT)
