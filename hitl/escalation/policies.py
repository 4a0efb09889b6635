"""Save escalation policies: each change of the steps is a new version."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction

from governance.access.models import User
from governance.types import Risk
from hitl.escalation.models import EscalationPolicy, EscalationPolicyVersion
from hitl.escalation.steps import parse
from hitl.escalation.types import AddReviewers, Notify, NotifyRoundRobin, Step
from hitl.reviews.operations import DECIDE
from hitl.routing import duty as routing
from tenants.kernel.errors import InvalidInput, NotFound


def check(steps: Any, *, now: datetime) -> tuple[Step, ...]:
    """Return the typed steps; raise InvalidInput naming the step and the field of what cannot be used."""
    parsed = parse(steps)
    for number, step in enumerate(parsed, 1):
        _check_names(number, step, now)
    return parsed


def _check_names(number: int, step: Step, now: datetime) -> None:
    match step:
        case Notify():
            _check_users(number, step.users)
            known = set(Group.objects.filter(name__in=step.groups).values_list("name", flat=True))
            _refuse(
                number, "groups", "there is no group", [name for name in step.groups if name not in known]
            )
            if step.schedule:
                _check_schedule(number, step.schedule, now)
        case NotifyRoundRobin():
            _check_users(number, step.users)
        case AddReviewers():
            _check_users(number, step.users)
            people = User.objects.filter(username__in=step.users)
            refused = [user.username for user in people if not user.has_perm(DECIDE)]
            _refuse(number, "users", "may not decide reviews:", refused)


def _check_users(number: int, names: Sequence[str]) -> None:
    people = User.objects.filter(username__in=names, is_active=True, kind=User.Kind.PERSON)
    known = set(people.values_list("username", flat=True))
    _refuse(number, "users", "there is nobody active called", [name for name in names if name not in known])


def _check_schedule(number: int, schedule: str, now: datetime) -> None:
    try:
        routing.on_call(UUID(schedule), now)
    except NotFound:
        _refuse(number, "schedule", "there is no on-call schedule", [schedule])


def _refuse(number: int, field: str, message: str, names: list[str]) -> None:
    if names:
        text = f"{message} {', '.join(names)}."
        at = f"/steps/{number - 1}/{field}"
        raise InvalidInput(f"Step {number}, {field}: {text}", errors=[{"at": at, "message": text}])


@transaction.atomic
def save_policy(*, policy: EscalationPolicy, steps: Any, by: User | None, now: datetime) -> EscalationPolicy:
    """Save a policy; steps that differ become its next version, which reviews opened from now on get.

    Raises InvalidInput naming the step and the field, or what else cannot be used.
    """
    check(steps, now=now)
    _check_match(policy)
    policy.full_clean()
    policy.save()
    EscalationPolicy.objects.select_for_update().get(pk=policy.pk)
    last = policy.versions.order_by("-number").first()
    if last is None or last.steps != steps:
        number = last.number + 1 if last else 1
        EscalationPolicyVersion.objects.create(
            policy=policy, number=number, steps=steps, author=by, created_at=now
        )
    return policy


def _check_match(policy: EscalationPolicy) -> None:
    known = {str(risk) for risk in Risk}
    if not isinstance(policy.risks, list) or not set(map(str, policy.risks)) <= known:
        message = f"Use {', '.join(sorted(known))}."
        raise InvalidInput(message, errors=[{"at": "/risks", "message": message}])
    if policy.is_default and (policy.risks or policy.tool):
        message = "The default policy is for what no other matches; leave risks and tool empty."
        raise InvalidInput(message, errors=[{"at": "/is_default", "message": message}])
