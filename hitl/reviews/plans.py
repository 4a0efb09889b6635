"""Which plan decides a call, fixed when its review is opened."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from auditlog.models import LogEntry
from django.contrib.auth import get_user_model

from governance.types import PolicyRequest, Requirement
from hitl.reviews import predicates
from hitl.reviews.models import Review, ReviewPlan, Vote
from hitl.reviews.quorum import AUTHOR, DELEGATOR, INITIATOR, OWNER, Plan, Rule, Stage
from hitl.reviews.tiers import Tier
from hitl.reviews.types import DecisionVerb

WHY = {
    INITIATOR: "You asked for this, so somebody else must decide it.",
    DELEGATOR: "It was asked on your behalf, so somebody else must decide it.",
    OWNER: "You own the agent, so somebody else must decide what it does.",
    AUTHOR: "You wrote the rule that asks for this, so somebody else must decide it.",
}
CHANGED = "You have changed the rules of reviews in the last 24 hours, so somebody else must decide it."
RULES = (
    *("riskthreshold", "riskprofile", "reviewplan", "reviewtier"),
    *("policy", "policyversion", "policydefault", "guardrailbinding", "trustedsource"),
)
SITS_OUT = timedelta(hours=24)
"""How long who changes a rule of reviews decides none that is opened meanwhile."""


def plan_for(request: PolicyRequest, requirement: Requirement, tier: Tier, *, now: datetime) -> Plan:
    """Return the tenant's most specific plan for the call, or one stage of as many people as it needs.

    A plan never asks for fewer people than the gate does, and each group that a rule asks has a stage of it.
    """
    row = _row(request.tool.name, requirement)
    plan = _plain(requirement) if row is None else _with_groups(Plan.from_json(row.document), requirement)
    # Whatever the plan says, who wrote it is out: nobody lets themself decide.
    own = {} if row is None else {row.author_id: WHY[AUTHOR]}
    if AUTHOR in plan.exclude:
        own = {**dict.fromkeys(_changed_rules(now), CHANGED), **own}
    return replace(
        plan,
        name=row.name if row is not None else "",
        min_distinct=max(plan.min_distinct, requirement.approvals),
        excluded={**own, **excluded(plan.exclude, request, requirement.authors)},
        feedback_left=_feedback_left(request, tier),
    )


def _plain(requirement: Requirement) -> Plan:
    """Return as many people as are asked for: those of the groups, and anybody for the rest."""
    others = requirement.approvals - len(requirement.groups)
    plan = Plan.simple(max(others, 1))
    if not requirement.groups:
        return plan
    return _with_groups(plan if others > 0 else replace(plan, stages=()), requirement)


def _with_groups(plan: Plan, requirement: Requirement) -> Plan:
    """Return the plan with a stage for each group; one whose people the plan asks already is not asked twice."""
    stages = list(plan.stages)
    for group, count in sorted((Counter(requirement.groups) - groups_asked(plan)).items()):
        name = group
        while any(stage.name == name for stage in stages):  # the ids of its rules are made of it
            name += "+"
        rule = Rule(id=f"{name}/1", approve=count, reject=1, where=predicates.of_group(group))
        stages.append(Stage(name=name, any_of=(rule,)))
    return replace(plan, stages=tuple(stages))


def groups_asked(plan: Plan) -> Counter[str]:
    """Return how many people of each group the plan asks for, in stages that nobody else can meet."""
    asked = Counter[str]()
    for stage in plan.stages:
        groups = {predicates.group_of(rule.where) for rule in stage.any_of}
        if len(groups) == 1 and "" not in groups:
            asked[groups.pop()] += min(rule.approve for rule in stage.any_of)
    return asked


def falls_short(plan: Plan, requirement: Requirement) -> bool:
    """Tell whether a rule now asks for more people, or for people of more groups, than the plan does."""
    return plan.fewest < requirement.approvals or bool(Counter(requirement.groups) - groups_asked(plan))


def edited(plan: Plan, request: PolicyRequest, requirement: Requirement | None, *, editor: int) -> Plan:
    """Return the plan of an edited call: its editor is kept, and who wrote a rule that it now meets is out."""
    authors = requirement.authors if requirement and AUTHOR in plan.exclude else ()
    more = excluded((AUTHOR,), request, authors)
    return replace(plan, editor=editor, excluded={**more, **plan.excluded})


def plan_of_one(request: PolicyRequest) -> Plan:
    """Return the plan of a review that proposes no new call."""
    plan = Plan.simple(1, exclude=(INITIATOR,))
    return replace(plan, excluded=excluded(plan.exclude, request, ()))


def excluded(names: Sequence[str], request: PolicyRequest, authors: Sequence[int]) -> dict[int, str]:
    """Return who may not decide the call, with the reason that is told to them first in line."""
    people: dict[int, str] = {}
    who = {
        INITIATOR: [request.user.id],
        DELEGATOR: [request.delegator.id] if request.delegator else [],
        OWNER: [request.agent.owner_id],
        AUTHOR: list(authors),
    }
    for name, ids in who.items():
        if name in names:
            people |= {pk: WHY[name] for pk in ids if pk and pk not in people}
    return people


def excluded_names(plan: Plan, *, known: Iterable[Any] = ()) -> list[tuple[str, str]]:
    """Return who is excluded, by name, with the reason as others read it; `known` are people at hand."""
    people = {user.pk: user for user in known if user is not None}
    strangers = plan.excluded.keys() - people.keys()
    if strangers:
        people |= get_user_model().objects.in_bulk(strangers)
    told = {
        WHY[INITIATOR]: "asked for it",
        WHY[DELEGATOR]: "it was asked on their behalf",
        WHY[OWNER]: "owns the agent",
        WHY[AUTHOR]: "wrote the rule that asks",
        CHANGED: "has just changed the rules",
    }
    return [(people[pk].username, told.get(why, why)) for pk, why in plan.excluded.items() if pk in people]


def _changed_rules(now: datetime) -> set[int]:
    """Return who has just changed or taken away a rule of reviews: a rule that is gone names no author."""
    recent = LogEntry.objects.filter(timestamp__gt=now - SITS_OUT, actor__isnull=False)
    rules = recent.filter(content_type__model__in=RULES).exclude(action=LogEntry.Action.ACCESS)
    return set(rules.values_list("actor_id", flat=True))


def _row(tool: str, requirement: Requirement) -> ReviewPlan | None:
    """Return the plan for this tool by name, else by pattern, else for the tier alone, else for all."""
    rows = [
        row
        for row in ReviewPlan.objects.filter(enabled=True)
        if row.risk in ("", requirement.risk) and (not row.tool or fnmatchcase(tool, row.tool))
    ]
    rows.sort(key=lambda row: (row.tool != tool, not row.tool, not row.risk, row.name))
    return rows[0] if rows else None


def _feedback_left(request: PolicyRequest, tier: Tier) -> int:
    sent_back = Vote.objects.filter(
        review__run_id=request.run.run_id,
        review__tool=request.tool.name,
        review__status=Review.Status.REJECTED,
        decision=DecisionVerb.FEEDBACK,
    )
    return max(0, tier.feedback_rounds - sent_back.count())
