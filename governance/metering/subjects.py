"""Whom a budget is for: people and agents are kept by id, and named by name."""

from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Q


def resolved(scope: str, subject: str) -> str | None:
    """Return how the one named is kept: the id of a user or agent, the name of a team or tenant; None for nobody."""
    found: Any
    match scope:
        case "user":
            who = Q(username=subject) | (
                Q(pk=int(subject)) if subject.isascii() and subject.isdigit() else Q()
            )
            found = get_user_model().objects.filter(who, username__isnull=False).values_list("pk", flat=True)
        case "agent":
            about = Q(pk=UUID(subject)) if _is_uuid(subject) else Q(name=subject)
            found = apps.get_model("agents.Agent").objects.filter(about).values_list("pk", flat=True)
        case "team":
            found = Group.objects.filter(name=subject).values_list("name", flat=True)
        case _:
            return subject
    return next((str(one) for one in found[:1]), None)


def name_of(scope: str, subject: str) -> str:
    """Return the name of the user or agent whose id is kept; what is kept where there is no such row."""
    found: Any = ()
    if scope == "user" and subject.isascii() and subject.isdigit():
        found = get_user_model().objects.filter(pk=int(subject)).values_list("username", flat=True)
    elif scope == "agent" and _is_uuid(subject):
        found = apps.get_model("agents.Agent").objects.filter(pk=UUID(subject)).values_list("name", flat=True)
    return next((str(name) for name in found), subject)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
