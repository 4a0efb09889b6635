"""Who is on call, and who stands in for whom."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.access import permissions
from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Subject
from hitl.reviews.eligibility import DECIDE, eligible
from hitl.reviews.models import Review
from hitl.reviews.record import actor_of
from hitl.routing import oncall, windows
from hitl.routing.models import Schedule, Substitution
from hitl.routing.types import Unit
from tenants.kernel.errors import InvalidInput, NotFound, PermissionMissing
from tenants.kernel.jsonvalues import storable

SUBSTITUTE = "hitl.add_substitution"


def plan_of(schedule: Schedule) -> oncall.Plan:
    """Return a schedule for counting. Who is no active person any more is absent from it."""
    rotations = list(schedule.rotations.order_by("layer", "id"))
    overrides = list(schedule.overrides.order_by("id"))
    named = {user for rotation in rotations for user in rotation.participants}
    named |= {override.user_id for override in overrides}
    active = set(_people().filter(pk__in=named).values_list("pk", flat=True))
    return oncall.Plan(
        zone=schedule.zone,
        layers=tuple(
            oncall.Layer(
                participants=tuple(rotation.participants),
                starts_at=rotation.starts_at,
                length=rotation.length,
                unit=Unit(rotation.unit),
                handoff=rotation.handoff,
                windows=tuple(map(windows.window, rotation.windows)),
            )
            for rotation in rotations
        ),
        overrides=tuple(
            oncall.Override(
                user_id=override.user_id,
                replaces=override.replaces_id,
                starts_at=override.starts_at,
                ends_at=override.ends_at,
            )
            for override in overrides
        ),
        absent=frozenset(named - active),
    )


def on_call(schedule_id: UUID | str, at: datetime) -> list[User]:
    """Return who is on call at that instant: one person, or nobody. Raises NotFound."""
    schedule = Schedule.objects.filter(pk=schedule_id).first()
    if schedule is None:
        raise NotFound("There is no such schedule.")
    user = oncall.who(plan_of(schedule), at)
    return list(_people().filter(pk=user)) if user is not None else []


def stand_ins(users: Iterable[User], at: datetime, review: Review | None = None) -> list[User]:
    """Return who stands in for these people at that instant, each once.

    Only those who may decide reviews themselves, and, where a review is named, only those who may decide it.
    Nobody stands in for a substitute.
    """
    ids = [user.pk for user in users]
    found = Substitution.objects.at(at).filter(person__in=ids).select_related("substitute")
    substitutes = {substitution.substitute_id: substitution.substitute for substitution in found}
    able = (
        _deciders(substitutes.values())
        if review is None
        else {person.pk for person in eligible(review, now=at)}
    )
    return [user for pk, user in substitutes.items() if pk in able]


def standing_in_for(user: User, at: datetime) -> list[User]:
    """Return the people for whom `user` stands in at that instant; nobody if they may not decide reviews."""
    return standing_in([user], at).get(user.pk, [])


def standing_in(users: Iterable[User], at: datetime) -> dict[int, list[User]]:
    """Return for whom these users stand in at that instant, by the user's key; for those who may decide reviews."""
    asked = {user.pk: user for user in users}
    found = Substitution.objects.at(at).filter(substitute__in=asked).select_related("person")
    people: dict[int, dict[int, User]] = defaultdict(dict)
    for substitution in found:
        people[substitution.substitute_id][substitution.person_id] = substitution.person
    able = _deciders([asked[pk] for pk in people]) if people else set()
    return {pk: list(persons.values()) for pk, persons in people.items() if pk in able}


@transaction.atomic
def substitute(
    *,
    person: User,
    substitute: User,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    by: Any,
    now: datetime,
) -> Substitution:
    """Let somebody stand in for a person from one date to another.

    Raises PermissionMissing (only admins define substitutions, their own included) and InvalidInput, also
    when the substitute may not decide reviews: a substitution gives no right.
    """
    if not by.has_perm(SUBSTITUTE):
        raise PermissionMissing("Only those who administer reviewers define substitutions.")
    if person.pk == substitute.pk:
        raise InvalidInput("Nobody stands in for themself: choose another substitute.")
    if ends_at <= max(starts_at, now):
        raise InvalidInput("The substitution must end after it starts, and later than now.")
    if not _deciders([substitute]):
        raise InvalidInput(f"{substitute.username} may not decide reviews: choose somebody who may.")
    made = Substitution.objects.create(
        person=person,
        substitute=substitute,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=storable(reason.strip()),
        created_by=by,
    )
    audit.record(
        Entry(
            at=now,
            action="substitution.defined",
            actor=actor_of(by),
            subject=Subject(kind="substitution", id=str(made.pk)),
            body={
                "person": person.username,
                "substitute": substitute.username,
                "from": starts_at.isoformat(),
                "to": ends_at.isoformat(),
                "reason": made.reason,
            },
        )
    )
    return made


def _people() -> Any:
    return User.objects.filter(kind=User.Kind.PERSON, is_active=True)


def _deciders(users: Iterable[User]) -> set[int]:
    """Return those of the people who may decide reviews at all."""
    ids = [user.pk for user in users if user.kind == User.Kind.PERSON]
    codename = DECIDE.partition(".")[2]
    return permissions.holders(model=Review, codename=codename, object_pk="", users=ids)
