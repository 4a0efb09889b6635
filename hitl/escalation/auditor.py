"""Watch the escalations: what is late or missing is repaired once, on record, and withholds the heartbeat."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from governance.audit import operations as audit
from governance.audit.types import Entry
from hitl.escalation import operations
from hitl.escalation.models import LATE, EscalationHeartbeat, EscalationState
from hitl.notifications import operations as notifications
from hitl.reviews.models import Review
from tenants.timers.operations import set_timer

BATCH = 200


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Ids of reviews without an escalation, of those that are late, and of those repaired just now."""

    missing: tuple[str, ...]
    late: tuple[str, ...]
    repaired: tuple[str, ...]

    @property
    def count(self) -> int:
        """Return how many are not as they should be."""
        return len(self.missing) + len(self.late)


@transaction.atomic
def audit_escalations(*, now: datetime) -> Findings:
    """Look at every waiting review of this tenant; beat only if each has an escalation that is on time."""
    missing, late = _missing(now), _late(now)
    repaired = [*(_open(review) for review in missing), *(_ring(state, now) for state in late)]
    findings = Findings(
        missing=tuple(str(review.pk) for review in missing),
        late=tuple(str(state.review_id) for state in late),
        repaired=tuple(pk for pk in repaired if pk),
    )
    beat = {} if findings.count else {"at": now}
    EscalationHeartbeat.objects.update_or_create(
        only=True, defaults={"checked_at": now, "late": findings.count, **beat}
    )
    if findings.repaired:
        _alarm(findings, now)
    return findings


def _missing(now: datetime) -> list[Review]:
    waiting = Review.objects.pending().filter(escalation=None, created_at__lt=now - LATE, expires_at__gt=now)
    return list(waiting.select_for_update(skip_locked=True, of=("self",))[:BATCH])


def _late(now: datetime) -> list[EscalationState]:
    late = EscalationState.objects.stalled(now)
    return list(late.select_for_update(skip_locked=True, of=("self",))[:BATCH])


def _open(review: Review) -> str:
    operations.open_for(review)
    return str(review.pk)


def _ring(state: EscalationState, now: datetime) -> str:
    """Set the timer again, once for each generation; a second time would hide what is broken."""
    if state.repaired_generation == state.generation:
        return ""
    EscalationState.objects.filter(pk=state.pk).update(repaired_generation=state.generation)
    set_timer(kind=operations.KIND, object_id=state.review_id, due_at=now, generation=state.generation)
    return str(state.review_id)


def _alarm(findings: Findings, now: datetime) -> None:
    body = {
        "missing": list(findings.missing),
        "late": list(findings.late),
        "repaired": list(findings.repaired),
    }
    audit.record(Entry(at=now, action="escalation.stalled", outcome="repaired", body=body))
    notifications.notify_tenant(
        review=None,
        kind="escalation",
        subject=f"{findings.count} escalations were late or missing",
        text="They were set going again. If this comes back, look at the worker, beat and their logs.",
        dedup=f"escalation:stalled:{now:%Y-%m-%dT%H}",
        now=now,
    )
