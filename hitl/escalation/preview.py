"""Play a policy through with the people of today: for a review that waits, or for one that might come."""

from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Risk, Subject
from hitl.escalation import coverage, defaults, levels
from hitl.escalation.models import EscalationPolicy, RoundRobinPointer
from hitl.escalation.recipients import by_name, reachable, resolve
from hitl.escalation.rehearsal import Call, rehearse
from hitl.escalation.steps import parse
from hitl.escalation.types import Action, AddReviewers, Facts, Notify, NotifyRoundRobin, Webhook
from hitl.notifications import operations as notifications
from hitl.reviews.models import Review
from hitl.reviews.operations import DECIDE
from tenants.kernel.errors import InvalidInput

EXPIRES_AFTER = timedelta(hours=1)
TENANT_CHANNELS = "the tenant's own channels"


def dry_run(
    *,
    policy: EscalationPolicy | None,
    now: datetime,
    review: Review | None = None,
    risk: Risk = Risk.HIGH,
    at: datetime | None = None,
) -> list[Call]:
    """Return who would be called when, for a review from its start or for one of such a risk opened `at`.

    Without a policy it is the built-in one. Changes nothing.
    """
    steps = parse(policy.current.steps if policy else defaults.STEPS)
    start = review.created_at if review else at or now
    risk = Risk(review.risk) if review else risk
    expires_at = review.expires_at if review else start + EXPIRES_AFTER
    within, _ = levels.level_for(priority=review.priority if review else risk, risk=risk)
    due_at = (review.due_at if review else None) or min(start + within, expires_at)
    facts = Facts(risk=risk, waiting=Review.objects.pending().count(), created_at=start, due_at=due_at)

    def who(action: Action, index: int, when: datetime) -> list[str] | None:
        return _names(action, index, policy=policy, review=review, at=when)

    return rehearse(steps, facts=facts, start=start, until=expires_at, who=who)


def _names(
    action: Action, index: int, *, policy: EscalationPolicy | None, review: Review | None, at: datetime
) -> list[str] | None:
    match action:
        case Notify():
            found = resolve(action, review=review, at=at).users
            owner = ["the agent's owner"] if action.agent_owner and review is None else []
            return [*(user.username for user in found), *owner]
        case NotifyRoundRobin():
            turn = _turn(policy, index)
            order = [*action.users[turn:], *action.users[:turn]]
            people = (reachable(by_name([name]).users, review=review, at=at) for name in order)
            return next(([user.username for user in found] for found in people if found), [])
        case AddReviewers():
            able = [user for user in by_name(action.users).users if user.has_perm(DECIDE)]
            return [user.username for user in reachable(able, review=review, at=at)]
        case Webhook():
            return [TENANT_CHANNELS]
    return None


def _turn(policy: EscalationPolicy | None, index: int) -> int:
    version = policy.current if policy else None
    pointer = RoundRobinPointer.objects.filter(version=version, step_index=index).first()
    return pointer.position if pointer else 0


def uncovered(*, policy: EscalationPolicy, now: datetime) -> list[str]:
    """Return when nobody would be called in the next 14 days, in words (UTC); empty is good."""
    start = now.replace(minute=0, second=0, microsecond=0)
    steps = parse(policy.current.steps)
    risk = Risk(policy.risks[0]) if policy.risks else Risk.HIGH
    within, _ = levels.level_for(priority=risk, risk=risk)

    @cache
    def fixed(action: Action) -> bool:
        return _reaches(action, start)

    def who(action: Action, _index: int, at: datetime) -> list[str]:
        by_time = isinstance(action, Notify) and bool(action.schedule)
        return ["somebody"] if (_reaches(action, at) if by_time else fixed(action)) else []

    def reaches(at: datetime) -> bool:
        facts = Facts(risk=risk, waiting=0, created_at=at, due_at=at + within)
        calls = rehearse(steps, facts=facts, start=at, until=at + EXPIRES_AFTER, who=who)
        return any(call.who for call in calls)

    return coverage.in_words(coverage.gaps(reaches, start=start), start=start)


def _reaches(action: Action, at: datetime) -> bool:
    match action:
        case Notify():
            return action.agent_owner or bool(resolve(action, review=None, at=at).users)
        case NotifyRoundRobin() | AddReviewers():
            return bool(reachable(by_name(action.users).users, review=None, at=at))
        case Webhook():
            return True
    return False


def check_coverage(*, policy: EscalationPolicy, now: datetime) -> list[str]:
    """Simulate a policy over 14 days and keep the result; new gaps are on record and told to the tenant."""
    found = uncovered(policy=policy, now=now)
    is_new = found != policy.coverage
    EscalationPolicy.objects.filter(pk=policy.pk).update(coverage=found, coverage_at=now)
    policy.coverage, policy.coverage_at = found, now
    if found and is_new:
        subject = Subject(kind="escalationpolicy", id=str(policy.pk))
        body = {"policy": policy.name, "gaps": found}
        audit.record(Entry(at=now, action="escalation.uncovered", subject=subject, body=body))
        notifications.notify_tenant(
            review=None,
            kind="coverage",
            subject=f"Escalation policy {policy.name}: {found[0]}",
            text="\n".join(found),
            dedup=f"escalation:coverage:{policy.pk}:{now:%Y-%m-%d}",
            now=now,
        )
    return found


def real_review(review_id: UUID | str) -> Review:
    """Return the review that a dry-run is to be for; raise InvalidInput if there is none."""
    reviews = Review.objects.select_related("owner", "assigned_to")
    review = None
    with suppress(ValueError):
        review = reviews.filter(pk=UUID(str(review_id))).first()
    if review is None:
        message = "There is no such review."
        raise InvalidInput(message, errors=[{"at": "/review", "message": message}])
    return review
