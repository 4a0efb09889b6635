"""Read and change how a reviewer likes to work."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Actor, Subject
from hitl.desk import shortcuts
from hitl.desk.models import ReviewerPreferences
from tenants.kernel.errors import InvalidInput


def of(user: Any) -> ReviewerPreferences:
    """Return the person's preferences, or the usual ones, not saved."""
    return ReviewerPreferences.objects.filter(user=user).first() or ReviewerPreferences(user=user)


@transaction.atomic
def change(
    *,
    user: Any,
    now: datetime,
    keys: Mapping[str, str] | None = None,
    shortcuts_on: bool | None = None,
    goes_on: bool | None = None,
) -> ReviewerPreferences:
    """Change what is given; raise InvalidInput for keys that cannot be used."""
    changes: dict[str, Any] = {}
    if keys is not None:
        wrong = shortcuts.problems(keys)
        if wrong:
            raise InvalidInput(
                "Some keys cannot be used; nothing was changed.",
                errors=[{"at": f"/{action}", "message": message} for action, message in wrong.items()],
            )
        changes["shortcuts"] = {
            action: key for action, key in keys.items() if shortcuts.USUAL.get(action, key) != key
        }
    if shortcuts_on is not None:
        changes["shortcuts_on"] = shortcuts_on
    if goes_on is not None:
        changes["goes_on"] = goes_on
    saved, _ = ReviewerPreferences.objects.update_or_create(user=user, defaults=changes)
    person = Actor(kind=user.kind, id=str(user.pk), name=user.username)
    subject = Subject(kind="preferences", id=str(saved.pk))
    audit.record(Entry(at=now, action="preferences.changed", actor=person, subject=subject, body=changes))
    return saved
