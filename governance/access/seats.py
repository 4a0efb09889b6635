"""How many active people a tenant has, kept within its tier whatever way a person comes in."""

from typing import Any

from django.utils import timezone

from governance.access.models import User
from tenants.tiers.quotas import ensure_room
from tenants.tiers.types import Limit


def on_saving(instance: User, update_fields: Any = None, **_kwargs: Any) -> None:
    """Raise QuotaExceeded before a person more becomes active than the tier allows."""
    if instance.kind != User.Kind.PERSON or not instance.is_active:
        return
    if not instance._state.adding:
        if update_fields is not None and "is_active" not in update_fields:
            return
        if User.objects.filter(pk=instance.pk, is_active=True).exists():
            return
    ensure_room(Limit.PEOPLE, used=active_people, now=timezone.now())


def active_people() -> int:
    """Return how many people of the tenant can sign in."""
    return User.objects.filter(kind=User.Kind.PERSON, is_active=True).count()
