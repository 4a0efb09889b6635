"""Decisions of the past as a replay needs them, and the report on a rule that is not in force yet."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from governance.audit.models import AuditEvent
from governance.policies import document, engine, in_force
from governance.policies.engine import RuleSet, is_asked
from governance.policies.given import Given
from governance.policies.models import PolicyDecision
from governance.policies.replay import Recorded, Report, replay
from governance.policies.rules import Mode, Rule
from governance.types import Effect, PolicyRequest
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject

WINDOW, SAMPLE = timedelta(days=30), 1000
MAX_WINDOW, MAX_SAMPLE = timedelta(days=365), 5000
SUCCEEDED = "tool.succeeded"
REFUSED = ("review.reject", "review.feedback")


def decisions(*, since: datetime, sample: int) -> list[Recorded]:
    """Return the newest decisions on proposed calls since then, at most `sample`, oldest first.

    A decision made with an approval is the second look at a call that is among them already.
    """
    rows = list(PolicyDecision.objects.filter(at__gte=since, review_id=None).order_by("-id")[:sample])
    happened = _happened([row.step_id for row in rows])
    return [_recorded(row, happened[row.step_id]) for row in reversed(rows)]


def _happened(steps: Sequence[UUID]) -> dict[UUID, set[str]]:
    found: dict[UUID, set[str]] = defaultdict(set)
    events = AuditEvent.objects.filter(step_id__in=steps, action__in=[SUCCEEDED, *REFUSED])
    for step, action in events.values_list("step_id", "action"):
        if step is not None:
            found[step].add(action)
    return found


def _recorded(row: PolicyDecision, happened: set[str]) -> Recorded:
    return Recorded(
        id=str(row.pk),
        at=row.at,
        request=PolicyRequest.from_json(row.request),
        effect=Effect(row.effect),
        user=row.facts.get("user", {}),
        beside=Effect(row.facts.get("beside", row.effect)),
        succeeded=SUCCEEDED in happened,
        refused_by_people=bool(happened.intersection(REFUSED)),
    )


def try_rule(rule: Rule, *, now: datetime, window: timedelta = WINDOW, sample: int = SAMPLE) -> Report:
    """Return how the decisions on record would have gone with this rule in the place of its version in force."""
    if not timedelta() < window <= MAX_WINDOW or not 1 <= sample <= MAX_SAMPLE:
        raise InvalidInput(f"Replay 1 to {MAX_WINDOW.days} days, and 1 to {MAX_SAMPLE} decisions.")
    old = in_force.standing()
    found = decisions(since=now - window, sample=sample)
    begins = found[0].at if len(found) == sample else now - window
    report = replay(found, old=old, new=with_rule(old, rule), since=begins, until=now)
    report.redacted = PolicyDecision.objects.filter(
        pk__in=[each.id for each in found], facts__has_key="redacted"
    ).count()
    return report


def with_rule(rules: RuleSet, rule: Rule) -> RuleSet:
    """Return the rules with this one in force, in the place of the one of its id and layer."""
    others = tuple(each for each in rules.enforced if (each.id, each.layer) != (rule.id, rule.layer))
    joins = is_asked(rule) and rule.mode is Mode.ENFORCE
    return replace(rules, enforced=(*others, rule) if joins else others, rehearsed=())


def try_on(rule: Rule, calls: Sequence[Given], *, now: datetime) -> list[JsonObject]:
    """Return what the rules in force say about calls that somebody describes, and what they would with this one."""
    old = in_force.standing()
    new = with_rule(old, rule)
    return [{"old": _said(call, old, now), "new": _said(call, new, now)} for call in calls]


def _said(call: Given, rules: RuleSet, now: datetime) -> JsonObject:
    known = document.of(call.request, user=call.user, now=now, zone=rules.zone)
    found = engine.ask(call.request, rules.enforced, known, now=now, read_only_may=rules.read_only_may)
    opinion = engine.opinion_of(call.request, found)
    return {
        "effect": found.effect.value,
        "rules": [each.rule.id for each in found.matched],
        "errors": list(found.errors),
        "reasons": [reason.message for reason in opinion.reasons],
        "arguments": found.arguments,
    }
