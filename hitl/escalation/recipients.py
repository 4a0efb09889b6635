"""Whom a step reaches: looked up at that moment, without those who must not decide."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import Group

from governance.access.models import User
from hitl.escalation.types import Notify
from hitl.reviews.eligibility import deciders, eligible, why_excluded
from hitl.reviews.models import Review
from hitl.reviews.quorum import Verdict
from hitl.routing import duty as routing
from tenants.kernel.errors import DomainError

SAID = frozenset({Verdict.APPROVE, Verdict.REJECT, Verdict.ANSWER})


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
            users += routing.on_call(UUID(step.schedule), at)
        except DomainError:
            missing.append(step.schedule)
    if step.agent_owner and review is not None and review.owner is not None:
        users.append(review.owner)
    assignee = _assignee(review) if step.assignee else []
    users += assignee
    if step.reviewers or (step.assignee and not reachable(assignee, review=review, at=at)):
        users += reviewers(review, added, at=at)
    return Found(reachable(users, review=review, at=at), missing)


def _assignee(review: Review | None) -> list[User]:
    return [review.assigned_to] if review is not None and review.assigned_to is not None else []


def by_name(names: Iterable[str]) -> Found:
    """Return people by their names, in that order."""
    known = {user.username: user for user in User.objects.filter(username__in=list(names))}
    return Found(
        [known[name] for name in names if name in known], [name for name in names if name not in known]
    )


def reviewers(review: Review | None, added: Sequence[int] = (), *, at: datetime) -> list[User]:
    """Return everybody who may decide the review then, and who was added to it."""
    if review is None:
        return list(deciders())
    more = User.objects.filter(pk__in=list(added)) if added else ()
    return [*eligible(review, now=at), *more]


def reachable(users: Iterable[User], *, review: Review | None, at: datetime) -> list[User]:
    """Return each person and who stands in for them, once.

    Without the inactive, those who must not decide the review, and those who have voted.
    """
    there = [user for user in dict.fromkeys(users) if _is_there(user)]
    both = dict.fromkeys([*there, *routing.stand_ins(there, at)])
    found = [user for user in both if _is_there(user)]
    if review is None:
        return found
    said = have_spoken(review)
    return [user for user in found if user.pk not in said and not why_excluded(review, user, now=at)]


def _is_there(user: User) -> bool:
    return bool(user.is_active) and user.kind == User.Kind.PERSON


def have_spoken(review: Review) -> set[int]:
    """Return who has voted on the action as it stands, and has not taken it back."""
    votes = review.votes.filter(digest=review.digest).order_by("id")
    last = dict(votes.values_list("reviewer_id", "verdict"))
    return {reviewer for reviewer, verdict in last.items() if verdict in SAID}
