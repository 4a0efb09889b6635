"""Who works on the demo's reviews: a queue for payments, and a weekly on-call schedule."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from django.contrib.auth.models import Group

from governance.access import roles
from governance.access.models import User
from hitl.routing.models import ReviewQueue, Rotation, Schedule
from hitl.routing.types import Strategy, Unit

HANDOFF = time(9)
ZONE = "Europe/Berlin"


def seed_duty(*, payments: str, turns: Sequence[User], now: datetime) -> None:
    """Add what is missing: reviews of the tools that `payments` matches go to reviewers, `turns` are on call."""
    ReviewQueue.objects.get_or_create(
        name="Payments",
        defaults={
            "tool": payments,
            "group": Group.objects.get(name=roles.REVIEWER),
            "strategy": Strategy.LEAST_LOADED,
        },
    )
    schedule, is_new = Schedule.objects.get_or_create(name="Review desk", defaults={"timezone": ZONE})
    if is_new:
        monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
        Rotation.objects.create(
            schedule=schedule,
            participants=[person.pk for person in turns],
            starts_at=monday,
            unit=Unit.WEEKS,
            handoff=HANDOFF,
        )
