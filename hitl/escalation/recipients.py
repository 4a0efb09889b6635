"""Whom a step reaches: looked up at that moment, without those who must not decide."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import Group

from governance.access.models import User
from hitl.escalation.types import Notify
from hitl.reviews.eligibility import eligible, why_excluded
from hitl.reviews.models import Review
from hitl.routing.operations import on_call, stand_ins
from tenants.kernel.errors import DomainError

DECIDE = "hitl.decide_review"


@dataclass(frozen=True)
class Found:
    """Whom to tell, and which names of the step lead to nobody that exists."""

    users: list[User]
    missing: list[str] = field(default_factory=list)


def resolve(step: Notify, *, review: Review | None, added: Sequence[int] = (), at: datetime) -> Found:
    """Return the people that a step is for; without a review, as for one that excludes nobody."""
    named = by_name(step.users)
    users, missing = list(named.users), list(named.missing)
    for group in step.groups:
        users += User.objects.filter(groups__name=group)
        if not Group.objects.filter(name=group).exists():
            missing.append(group)
    if step.schedule:
        try:
            users += on_call(UUID(step.schedule), at)
        except DomainError:
            missing.append(step.schedule)
    if step.agent_owner and review is not None and review.owner is not None:
        users.append(review.owner)
    if step.assignee and review is not None and review.assigned_to is not None:
        users.append(review.assigned_to)
    elif step.assignee or step.reviewers:
        users += reviewers(review, added)
    return Found(reachable(users, review=review, at=at), missing)


def by_name(names: Iterable[str]) -> Found:
    """Return people by their names, in that order."""
    known = {user.username: user for user in User.objects.filter(username__in=list(names))}
    return Found([known[name] for name in names if name in known], [name for name in names if name not in known])


def reviewers(review: Review | None, added: Sequence[int] = ()) -> list[User]:
    """Return everybody who may decide the review now, and who was added to it."""
    if review is None:
        people = User.objects.filter(is_active=True, kind=User.Kind.PERSON).order_by("username")
        return [user for user in people if user.has_perm(DECIDE)]
    more = User.objects.filter(pk__in=list(added)) if added else ()
    return [*eligible(review), *more]


def reachable(users: Iterable[User], *, review: Review | None, at: datetime) -> list[User]:
    """Return each person once, or who stands in, without the inactive, the excluded and those who have voted."""
    substituted = stand_ins([user for user in dict.fromkeys(users) if _is_there(user)], at)
    voted = _voted(review)
    return [
        user
        for user in dict.fromkeys(substituted)
        if _is_there(user) and user.pk not in voted and not (review and why_excluded(review, user))
    ]


def _is_there(user: User) -> bool:
    return bool(user.is_active) and user.kind == User.Kind.PERSON


def _voted(review: Review | None) -> set[int]:
    if review is None:
        return set()
    return set(review.votes.filter(digest=review.digest).values_list("reviewer_id", flat=True))
