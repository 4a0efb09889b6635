"""Which reviews a list shows and in which order: from filters to a query."""

import base64
import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVectorExact, SearchVectorField
from django.db.models import Case, Exists, F, Func, IntegerField, OuterRef, Q, QuerySet, When
from django.db.models.functions import Coalesce

from governance.access.models import User
from governance.types import Risk
from hitl.desk.filters import ALL, DECIDED, DUE_SOON, ME, NOBODY, OVERDUE, Filters
from hitl.desk.outcomes import with_outcome
from hitl.reviews import eligibility
from hitl.reviews.models import Review, Vote
from tenants.kernel.errors import InvalidInput

SOON = timedelta(minutes=15)
"""A review that is due within this time is due soon."""
FAST = timedelta(seconds=3)
"""Who decides sooner than this after opening a review has hardly read it."""
WORD = re.compile(r"[^\W_]+")
MAX_WORDS, MAX_PEOPLE = 8, 100
ANALYTICS = "hitl.view_analytics"
COLUMNS = {
    **{name: name for name in ("kind", "risk", "priority", "tool", "shape")},
    "agent": "agent_name",
    "requester": "requester__username",
    "queue": "queue__name",
}
"""The filters that a column equals, with the column."""


def may_decide(user: Any, now: datetime) -> Q:
    """Return the condition that this person may decide a review; `available_actions` has the last word.

    Not what they asked for, are excluded from by its plan (in person, or as who stands in for somebody who
    is), or have voted on as it stands. Whom its plan asks for beyond that, a database does not know.
    """
    if user.kind != User.Kind.PERSON or not user.has_perm(eligibility.DECIDE):
        return Q(pk__in=[])
    mine = Vote.objects.filter(review=OuterRef("pk"), reviewer=user, digest=OuterRef("digest"))
    later = Vote.objects.filter(review=OuterRef("review"), reviewer=user, pk__gt=OuterRef("pk"))
    standing = mine.exclude(verdict="withdraw").exclude(Exists(later.filter(verdict="withdraw")))
    barred = [str(person.pk) for person in (user, *eligibility.stands_in_for(user, now))]
    return (
        Q(status=Review.Status.PENDING, expires_at__gt=now)
        & ~Q(requester=user)
        & (Q(plan__excluded__isnull=True) | ~Q(plan__excluded__has_any_keys=barred))
        & ~Q(Exists(standing))
    )


def conditions(filters: Filters, *, user: Any, now: datetime) -> Q:
    """Return what the filters ask of a review, but for the outcome, which needs a column of its own."""
    wanted = Q()
    if (status := filters.get("status")) == DECIDED:
        wanted &= ~Q(status=Review.Status.PENDING)
    elif status != ALL:
        wanted &= Q(status=status)
    for name, column in COLUMNS.items():
        if value := filters.get(name):
            wanted &= Q(**{column: value})
    if assigned := filters.get("assigned"):
        wanted &= Q(assigned_to={ME: user, NOBODY: None}[assigned])
    if due := filters.get("due"):
        wanted &= {OVERDUE: overdue(now), DUE_SOON: Q(due_at__gt=now, due_at__lte=now + SOON)}[due]
    if days := filters.get("days"):
        moment = "created_at" if filters.is_pending else "decided_at"
        wanted &= Q(**{f"{moment}__gte": now - timedelta(days=int(days))})
    others: dict[str, Callable[[], Q]] = {
        "may": lambda: may_decide(user, now),
        "breached": breached,
        "reviewer": lambda: Q(Exists(_votes(filters, user))),
        "fast": lambda: Q(Exists(_votes(filters, user))),
        "q": lambda: _found(filters.get("q")),
    }
    for name, condition in others.items():
        if filters.get(name):
            wanted &= condition()
    return wanted


def overdue(now: datetime) -> Q:
    """Return the condition that a review should have been decided by now."""
    return Q(due_at__lte=now)


def breached() -> Q:
    """Return the condition that a review was decided after it was due."""
    return Q(due_at__lt=F("decided_at"))


def fast_votes() -> Q:
    """Return the condition that a person voted almost as soon as they had opened the review."""
    return Q(kind="person", viewed_at__isnull=False, at__lt=F("viewed_at") + FAST)


def _votes(filters: Filters, user: Any) -> QuerySet[Vote]:
    """Return the votes asked for; how fast others voted is for those alone who may see their figures."""
    votes = Vote.objects.filter(review=OuterRef("pk"))
    if reviewer := filters.get("reviewer"):
        votes = votes.filter(reviewer__username=reviewer)
    if not filters.get("fast"):
        return votes
    votes = votes.filter(fast_votes())
    return votes if user.has_perm(ANALYTICS) else votes.filter(reviewer=user)


class _Searched(Func):
    """The words of a review that a search looks in: exactly the expression of the index hitl_review_search."""

    template = "to_tsvector('simple'::regconfig, translate(%(expressions)s, '_-/.', '    '))"
    arg_joiner = " || ' ' || "
    output_field = SearchVectorField()


def _found(text: str) -> Q:
    """Return the condition that a review is about the text: an exact id, or the beginnings of words."""
    try:
        key = uuid.UUID(text)
    except ValueError:
        words = WORD.findall(text)[:MAX_WORDS]
    else:
        return Q(pk=key) | Q(run_id=key) | Q(step_id=key)
    # Read first: an index answers a list of keys, not a subquery beside another condition.
    people = User.objects.filter(username__istartswith=text).values_list("pk", flat=True)
    found = Q(requester__in=list(people[:MAX_PEOPLE]))
    if words:
        terms = SearchQuery(" & ".join(f"'{word}':*" for word in words), search_type="raw", config="simple")
        found |= Q(SearchVectorExact(_Searched(F("tool"), F("agent_name"), F("reason")), terms))
    return found


RANK = Case(
    *(When(priority=risk, then=n) for n, risk in enumerate(reversed(Risk))),
    default=len(Risk),
    output_field=IntegerField(),
)


def listed(filters: Filters, *, user: Any, now: datetime) -> QuerySet[Any]:
    """Return the reviews in the list's order: what waits by priority and by when it is due, the rest newest first."""
    found: QuerySet[Any] = Review.objects.filter(conditions(filters, user=user, now=now))
    if outcome := filters.get("outcome"):
        found = with_outcome(found).filter(outcome=outcome)
    if filters.is_pending:
        found = found.annotate(rank=RANK, due=Coalesce("due_at", "expires_at"))
        return found.order_by("rank", "due", "id")
    if filters.get("status") == ALL:
        return found.order_by("-id")
    return found.filter(decided_at__isnull=False).order_by("-decided_at", "-id")


def after(filters: Filters, found: QuerySet[Any], cursor: str) -> QuerySet[Any]:
    """Return what follows the review that `cursor_of` made the cursor of; raise InvalidInput for another text."""
    if not cursor:
        return found
    try:
        rank, at, key = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        position = (int(rank), datetime.fromisoformat(at).astimezone(UTC), uuid.UUID(key))
    except (ValueError, TypeError, ArithmeticError, RecursionError, AttributeError) as error:
        raise InvalidInput("This page of the list does not exist; begin at the first.") from error
    following: QuerySet[Any] = found.filter(_follows(filters, *position))
    return following


def _follows(filters: Filters, rank: int, at: datetime, key: uuid.UUID) -> Q:
    if filters.is_pending:
        return Q(rank__gt=rank) | Q(rank=rank, due__gt=at) | Q(rank=rank, due=at, id__gt=key)
    if filters.get("status") == ALL:
        return Q(id__lt=key)
    return Q(decided_at__lt=at) | Q(decided_at=at, id__lt=key)


def cursor_of(filters: Filters, review: Any) -> str:
    """Return the place of a review in the list, as a text without meaning to others."""
    at = review.due if filters.is_pending else (review.decided_at or review.created_at)
    rank = review.rank if filters.is_pending else 0
    return base64.urlsafe_b64encode(json.dumps([rank, at.isoformat(), str(review.pk)]).encode()).decode()
