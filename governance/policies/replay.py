"""Ask other rules about decisions on record, and compare. Pure; no tool and no model is called.

What depends on the run so far is taken as it was recorded. After the first call of a run that would have gone
differently, the run might have gone another way: what follows in it is counted, not compared.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from governance.policies import document, engine
from governance.policies.engine import Found, RuleSet
from governance.types import Effect, PolicyRequest
from tenants.kernel.jsonvalues import JsonObject

STRICTNESS = {Effect.PERMIT: 0, Effect.REQUIRE_APPROVAL: 1, Effect.DENY: 2}
MAX_FLIPS = 100
"""How many flips a report lists; all are counted."""
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A decision of the past: what was proposed, what was known, what was said."""

    id: str
    at: datetime
    request: PolicyRequest
    effect: Effect
    user: Mapping[str, Any]
    beside: Effect
    """What the other parts of the gate said, without the policies."""
    succeeded: bool = False
    refused_by_people: bool = False


@dataclass(kw_only=True)
class Report:
    """How a set of rules would have decided, beside the one in force."""

    compared: int = 0
    after_first_flip: int = 0
    redacted: int = 0
    """Decisions on calls of which something had been taken out; what is left was replayed."""
    matrix: Counter[tuple[str, str]] = field(default_factory=Counter)
    flips: list[JsonObject] = field(default_factory=list)
    flipped: int = 0
    by: dict[str, Counter[str]] = field(
        default_factory=lambda: {"tool": Counter(), "agent": Counter(), "user": Counter()}
    )
    denied_but_succeeded: int = 0
    allowed_but_refused: int = 0
    asked_otherwise: int = 0
    """Calls that would still have asked people, but more, fewer or others."""
    asked_before: int = 0
    asked_after: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    since: datetime | None = None
    until: datetime | None = None

    def to_json(self) -> JsonObject:
        """Return it as a JSON object."""
        days = max((self.until - self.since) / DAY, 1.0) if self.since and self.until else 1.0
        return {
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "compared": self.compared,
            "after_first_flip": self.after_first_flip,
            "redacted": self.redacted,
            "flipped": self.flipped,
            "matrix": [
                {"old": old, "new": new, "count": count} for (old, new), count in sorted(self.matrix.items())
            ],
            "flips": self.flips,
            "by": {what: dict(counts.most_common(20)) for what, counts in self.by.items()},
            "newly_denied_but_succeeded": self.denied_but_succeeded,
            "newly_allowed_but_refused_by_people": self.allowed_but_refused,
            "asked_otherwise": self.asked_otherwise,
            "approvals_per_day": {
                "old": round(self.asked_before / days, 2),
                "new": round(self.asked_after / days, 2),
            },
            "errors": [{"error": error, "count": n} for error, n in self.errors.most_common(20)],
        }


def replay(
    decisions: Sequence[Recorded], *, old: RuleSet, new: RuleSet, since: datetime, until: datetime
) -> Report:
    """Return how `new` would have decided, beside `old`; decisions are given oldest first."""
    report = Report(since=since, until=until)
    left = set[str]()
    for decision in decisions:
        run = decision.request.run.run_id
        if run in left:
            report.after_first_flip += 1
            continue
        before, after = _ask(decision, old), _ask(decision, new)
        was, would = _final(decision, before), _final(decision, after)
        report.compared += 1
        report.matrix[was.value, would.value] += 1
        report.asked_before += was is Effect.REQUIRE_APPROVAL
        report.asked_after += would is Effect.REQUIRE_APPROVAL
        report.errors.update(after.errors)
        if (was, before.arguments) != (would, after.arguments):
            left.add(run)
            _flip(report, decision, was, would, _difference(before, after))
        elif would is Effect.REQUIRE_APPROVAL and _people(before) != _people(after):
            report.asked_otherwise += 1
    return report


def _ask(decision: Recorded, rules: RuleSet) -> Found:
    known = document.of(decision.request, user=decision.user, now=decision.at, zone=rules.zone)
    return engine.ask(
        decision.request, rules.enforced, known, now=decision.at, read_only_may=rules.read_only_may
    )


def _final(decision: Recorded, found: Found) -> Effect:
    return max(decision.beside, found.outcome, key=STRICTNESS.__getitem__)


def _people(found: Found) -> tuple[int, tuple[str, ...], int | None]:
    """Return what the rules want of people: how many, of which groups, within how many seconds."""
    needed = found.requirement
    return (max(1, needed.approvals), needed.groups, needed.ttl_s) if needed else (1, (), None)


def _difference(before: Found, after: Found) -> str:
    """Return the first rule that matched one time and not the other, in the order of reports."""
    was = [(each.rule.id, each.rule.version) for each in before.matched]
    now = [(each.rule.id, each.rule.version) for each in after.matched]
    for rule in now:
        if rule not in was:
            return rule[0]
    for rule in was:
        if rule not in now:
            return rule[0]
    return engine.DEFAULT_RULE


def _flip(report: Report, decision: Recorded, was: Effect, would: Effect, rule: str) -> None:
    request = decision.request
    report.flipped += 1
    for what, name in (
        ("tool", request.tool.name),
        ("agent", request.agent.name),
        ("user", request.user.name),
    ):
        report.by[what][name] += 1
    stricter = STRICTNESS[would] > STRICTNESS[was]
    report.denied_but_succeeded += would is Effect.DENY and decision.succeeded
    report.allowed_but_refused += would is Effect.PERMIT and not stricter and decision.refused_by_people
    if len(report.flips) < MAX_FLIPS:
        report.flips.append(
            {
                "decision": decision.id,
                "at": decision.at.isoformat(),
                "run": request.run.run_id,
                "tool": request.tool.name,
                "agent": request.agent.name,
                "user": request.user.name,
                "arguments": request.arguments,
                "old": was.value,
                "new": would.value,
                "rule": rule,
                "succeeded": decision.succeeded,
                "refused_by_people": decision.refused_by_people,
            }
        )
