"""Put something before a person because a person wants it: a run, or nothing in particular. No run stops for it."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from agents.runs import engine
from agents.runs.models import Run
from governance.types import Risk, RunRef
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from tenants.kernel.errors import DomainError, PermissionMissing

VIEW, OTHERS = "agents.view_run", "agents.escalate_run"
MAX_OPEN = 20


class TooManyOpen(DomainError):
    """The person has as many unanswered escalations as one may have."""

    code = "too-many-escalations"
    status = 429
    title = "Wait for the answers to what you have escalated"


def may_escalate(run: Run | None, user: Any) -> bool:
    """Tell whether the person may put this run, or a matter of no run, before a person."""
    mine = run is None or user.pk in {run.requester_id, run.delegator_id}
    return bool(user.has_perm(VIEW) and (mine or user.has_perm(OTHERS)))


@transaction.atomic
def escalate(
    *, by: Any, run: Run | None, subject: str, details: str, priority: Risk, now: datetime
) -> Review:
    """Ask reviewers to look at the run, or at something else where `run` is None.

    Whoever may view runs may escalate their own and matters of no run; for others' runs it takes
    `agents.escalate_run`. Raises PermissionMissing, TooManyOpen, InvalidInput naming the field.
    """
    if not may_escalate(run, by):
        raise PermissionMissing("You may not escalate this run.")
    still_open = Review.objects.pending().filter(kind=Review.Kind.ESCALATION, requester=by).count()
    if still_open >= MAX_OPEN:
        raise TooManyOpen(f"{still_open} of your escalations are not answered yet.")
    return reviews.escalate(
        by=by,
        run=RunRef(run_id=str(run.pk), step_id="", trace_id=run.trace_id) if run else None,
        agent=run.agent.ref() if run else None,
        subject=subject,
        details=details,
        priority=priority,
        expires_at=now + timedelta(seconds=settings.HANDOFF_TTL_S),
        now=now,
        evidence={**engine.evidence(run, list(run.steps.all())), "requester": by.username} if run else None,
    )
