"""Who may decide a review, and who may not. Superusers are not exempt."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet, prefetch_related_objects
from django.utils import timezone

from governance.access.models import User
from hitl.reviews import predicates, quorum
from hitl.reviews.models import Review
from hitl.reviews.predicates import Reviewer
from hitl.reviews.quorum import Plan

DECIDE = "hitl.decide_review"
StandIns = Callable[[Iterable[Any], datetime], Mapping[int, list[Any]]]
STANDS_IN_FOR: list[StandIns] = []
"""Functions `(users, at) -> people by the key of who stands in for them`, added by what knows about substitutions."""


def deciders() -> QuerySet[User]:
    """Return every active person who holds the permission to decide reviews."""
    codename = {"permissions__codename": "decide_review", "permissions__content_type__app_label": "hitl"}
    own = {f"user_{name}": value for name, value in codename.items()}
    roles = {f"groups__{name}": value for name, value in codename.items()}
    holders = User.objects.filter(Q(is_superuser=True) | Q(**own) | Q(**roles), is_active=True)
    return holders.filter(kind=User.Kind.PERSON).distinct()


def _by_name() -> list[User]:
    return list(deciders().order_by("username").prefetch_related("groups"))


def as_reviewer(user: Any) -> Reviewer:
    """Return what a plan may ask about a person; their groups are looked up once for each instance."""
    prefetch_related_objects([user], "groups")
    groups = frozenset(group.name for group in user.groups.all())
    return Reviewer(id=user.pk, username=user.username, groups=groups)


def stands_in_for(user: Any, at: datetime) -> list[Any]:
    """Return the people whom the user stands in for at that time."""
    return _standing_in([user], at).get(user.pk, [])


def _standing_in(users: list[Any], at: datetime) -> dict[int, list[Any]]:
    """Return for each of the users whom they stand in for, asking once for all of them."""
    found: dict[int, list[Any]] = {user.pk: [] for user in users}
    for find in STANDS_IN_FOR:
        for pk, people in find(users, at).items():
            found[pk] += people
    return found


def why_excluded(
    review: Review, user: Any, *, now: datetime | None = None, stands_in: Sequence[Any] | None = None
) -> str:
    """Return why the user may not decide the review, empty if nothing keeps them from it.

    Whoever stands in for an excluded person is excluded too; a caller with many reviews looks up once
    for whom. It asks for no permission.
    """
    plan = review.decided_by
    why = _why(plan, user)
    if why:
        return why
    principals = stands_in_for(user, now or timezone.now()) if stands_in is None else stands_in
    return _why_stand_in(plan, principals)


def _editor(plan: Plan) -> int | None:
    return plan.editor if quorum.EDITOR in plan.exclude else None


def _why(plan: Plan, user: Any) -> str:
    if user.pk in plan.excluded:
        return plan.excluded[user.pk]
    if user.pk == _editor(plan):
        return "You made the last edit, so somebody else must approve it."
    return ""


def _why_stand_in(plan: Plan, people: Iterable[Any]) -> str:
    for person in people:
        if person.pk in plan.excluded or person.pk == _editor(plan):
            return f"You stand in for {person.username}, who may not decide this."
    return ""


def _free(plan: Plan, at: datetime) -> list[tuple[User, list[Any]]]:
    """Return the deciders whom nothing keeps from a review under this plan, by name, and whom each stands in for."""
    users = _by_name()
    standing_in = _standing_in(users, at)
    pairs = [(user, standing_in[user.pk]) for user in users if not _why(plan, user)]
    return [(user, people) for user, people in pairs if not _why_stand_in(plan, people)]


def eligible(review: Review, *, now: datetime | None = None) -> list[User]:
    """Return who may decide the review and would count, by name."""
    return [user for user, _ in eligible_standing_in(review, now=now)]


def eligible_standing_in(review: Review, *, now: datetime | None = None) -> list[tuple[User, list[Any]]]:
    """Return who may decide the review and would count, by name, each with whom they stand in for."""
    plan = review.decided_by
    found = _free(plan, now or timezone.now())
    return [(user, people) for user, people in found if counts_in(plan, as_reviewer(user))]


def counts_in(plan: Plan, reviewer: Reviewer) -> bool:
    """Tell whether some rule of the plan is for this person."""
    return any(predicates.matches(rule.where, reviewer) for stage in plan.stages for rule in stage.any_of)


def is_satisfiable(review: Review) -> bool:
    """Tell whether enough people are left to approve the review."""
    plan = review.decided_by
    reviewers = [as_reviewer(user) for user, _ in _free(plan, timezone.now())]
    return quorum.is_reachable(plan, reviewers, review.ballots(), digest=review.digest)
