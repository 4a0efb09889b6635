"""What reviews set off: signals turned into rows of the outbox, in the transaction that changed the review."""

from typing import Any

from django.utils import timezone

from governance.access.models import User
from governance.types import Risk
from hitl.notifications import operations
from hitl.notifications.models import Notification
from hitl.notifications.types import Importance, Kind
from hitl.reviews import eligibility
from hitl.reviews.models import Review
from hitl.reviews.verbs import how_it_ended, was_sent_back
from hitl.templatetags.reviews import headline

TOLD = frozenset(
    {Review.Status.APPROVED, Review.Status.REJECTED, Review.Status.ANSWERED, Review.Status.EXPIRED}
)
"""Ends that the requester hears of; the others follow from what somebody did to the run."""


def on_opened(review: Review, **_kwargs: Any) -> None:
    """Ask whom it is assigned to, or everybody who may decide it, and tell the endpoints.

    Whoever decides a review the moment it is opened is connected before this.
    """
    row = _row(review)
    if row.status != Review.Status.PENDING:
        return
    importance = Importance.IMPORTANT if row.risk == Risk.CRITICAL else Importance.DEFAULT
    about: dict[str, Any] = {
        "review": row,
        "kind": Kind.REVIEW_OPENED,
        "importance": importance,
        "subject": _asks(row),
        "text": _deadline(row),
        "dedup": f"opened:{row.pk}",
        "now": row.created_at,
    }
    operations.notify(recipients=_asked(row), **about)
    operations.to_endpoints(asks=True, **about)


def on_changed(review: Review, **_kwargs: Any) -> None:
    """Ask a new assignee, stop asking who has voted, and pass questions and answers on."""
    row = _row(review)
    if row.status != Review.Status.PENDING:
        return
    # Routing assigns a review while it is opened, before anybody was told of it.
    is_new = not Notification.objects.filter(review_id=row.pk).exists()
    now = row.created_at if is_new else timezone.now()
    operations.cancel(operations.unsent_of_voters(row), why="They have voted.")
    if row.assigned_to is not None:
        importance = Importance.IMPORTANT if row.risk == Risk.CRITICAL else Importance.DEFAULT
        operations.notify(
            recipients=[row.assigned_to],
            review=row,
            kind=Kind.REVIEW_OPENED,
            importance=importance,
            subject=_asks(row),
            text=_deadline(row),
            dedup=f"opened:{row.pk}",
            now=now,
        )
    _pass_on_words(row)


def on_decided(review: Review, **_kwargs: Any) -> None:
    """Take back what still asks; tell the requester and the endpoints how it ended."""
    row = _row(review)
    now = row.decided_at or timezone.now()
    operations.cancel_for_review(row.pk, now)
    if row.status not in TOLD:
        return
    ended = "sent back" if was_sent_back(row) else row.get_status_display()
    about: dict[str, Any] = {
        "review": row,
        "kind": Kind.REVIEW_DECIDED,
        "subject": f"{ended.capitalize()}: {headline(row)}",
        "text": how_it_ended(row),
        "dedup": f"decided:{row.pk}:{row.status}",
        "now": now,
    }
    operations.tell(recipients=[row.requester], inbox_only=True, **about)
    operations.to_endpoints(importance=Importance.DEFAULT, **about)


def on_unsatisfiable(review: Review, **_kwargs: Any) -> None:
    """Tell the tenant that too few people are left to approve a review."""
    row = _row(review)
    operations.notify_tenant(
        review=row,
        kind=Kind.COVERAGE,
        subject=f"Too few people can approve: {headline(row)}",
        text="Nobody's approval is enough as its plan stands. It expires unless more people may decide it.",
        dedup=f"unsatisfiable:{row.pk}",
        now=timezone.now(),
    )


def _row(review: Review) -> Review:
    """Return the review as other receivers have left it."""
    return Review.objects.select_related("requester", "assigned_to").get(pk=review.pk)


def _asked(row: Review) -> list[User]:
    people = eligibility.eligible(row, now=row.created_at)
    if row.assigned_to_id is not None:
        assigned = [user for user in people if user.pk == row.assigned_to_id]
        return assigned or people
    return people


def _asks(row: Review) -> str:
    match row.kind:
        case Review.Kind.TOOL_CALL if row.veto_until is not None:
            return f"Runs unless somebody objects: {headline(row)} ({row.risk} risk)"
        case Review.Kind.TOOL_CALL:
            return f"Approval needed: {headline(row)} ({row.risk} risk)"
        case _:
            return headline(row)


def _deadline(row: Review) -> str:
    if row.veto_until is not None:
        return f"It runs at {row.veto_until:%Y-%m-%d %H:%M} UTC unless somebody objects on its page."
    return "The page of the review shows what exactly it would do, and why somebody is asked."


def _pass_on_words(row: Review) -> None:
    """Tell the requester of the last question, or those who asked of the last answer."""
    last = row.messages.select_related("author").order_by("-id").first()
    if last is None:
        return
    if last.is_question:
        recipients, kind, subject = [row.requester], Kind.REVIEW_QUESTION, "A reviewer asks you"
    else:
        asked = row.messages.filter(is_question=True).exclude(author=last.author).values("author")
        recipients = list(User.objects.filter(pk__in=asked))
        kind, subject = Kind.REVIEW_ANSWER, f"{last.author.username} has answered"
    operations.tell(
        recipients=recipients,
        review=row,
        kind=kind,
        subject=f"{subject}: {headline(row)}",
        text="Read it on the page of the review.",
        dedup=f"words:{last.pk}",
        now=last.at,
    )
