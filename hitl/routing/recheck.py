"""Notice when people, roles or permissions change so that a pending review can no longer be decided."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import transaction

from governance.access.models import User
from governance.audit.models import AuditEvent
from hitl.reviews.eligibility import DECIDE, is_satisfiable
from hitl.reviews.models import Review
from hitl.reviews.opening import alarm
from tenants.kernel.jsonvalues import sha256_hex

UNSATISFIABLE = "review.unsatisfiable"
SEEN = "hitl.deciders"
AT_LEAST_EVERY_S = 3600


def recheck(*, now: datetime) -> int:
    """Look at all pending reviews if who may decide has changed, or once an hour; return how many alarmed."""
    state = deciders()
    if cache.get(SEEN) == state:
        return 0
    pending = list(Review.objects.pending().order_by("pk").values_list("pk", flat=True))
    alarmed = sum(recheck_one(review_id=pk, now=now) for pk in pending)
    cache.set(SEEN, state, AT_LEAST_EVERY_S)
    return alarmed


@transaction.atomic
def recheck_one(*, review_id: UUID, now: datetime) -> bool:
    """Alarm if a pending review can no longer be decided; once. Return whether it did."""
    review = Review.objects.pending().select_for_update().filter(pk=review_id).first()
    if review is None or is_satisfiable(review):
        return False
    events = AuditEvent.objects.filter(subject_kind="review", subject_id=str(review.pk))
    if events.filter(action=UNSATISFIABLE).exists():
        return False
    alarm(review, now=now)
    return True


def deciders() -> str:
    """Return a digest of who is active, in which roles, and which of them may decide."""
    codename = DECIDE.partition(".")[2]
    people = User.objects.filter(is_active=True, kind=User.Kind.PERSON)
    roles: Any = User.groups.through
    granted: Any = Group.permissions.through
    direct: Any = User.user_permissions.through
    return sha256_hex(
        [
            list(map(list, people.order_by("pk").values_list("pk", "is_superuser"))),
            list(map(list, roles.objects.order_by("pk").values_list("user_id", "group_id"))),
            list(
                granted.objects.filter(permission__codename=codename)
                .order_by("pk")
                .values_list("group_id", flat=True)
            ),
            list(
                direct.objects.filter(permission__codename=codename)
                .order_by("pk")
                .values_list("user_id", flat=True)
            ),
        ]
    )
