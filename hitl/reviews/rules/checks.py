"""Whether a plan can be used: its document, and whether enough people are there to meet it."""

from dataclasses import replace
from typing import Any

from hitl.reviews import eligibility, predicates, quorum
from hitl.reviews.predicates import Reviewer
from hitl.reviews.quorum import Plan
from hitl.reviews.rules.lines import in_words


def problems(document: Any, *, author_id: int | None) -> list[dict[str, str]]:
    """Return what is wrong with a plan as `[{"at": "/path", "message": …}]`, its paths within the document.

    `author_id` is who writes it: they do not decide under it, so they do not count.
    """
    found = quorum.problems(document)
    if found:
        return found
    plan = Plan.from_json(document)
    if author_id is not None:
        plan = replace(plan, excluded={author_id: ""})
    people = [eligibility.as_reviewer(user) for user in eligibility.deciders().prefetch_related("groups")]
    reviewers = sorted((one for one in people if one.id not in plan.excluded), key=lambda one: one.username)
    if quorum.is_reachable(plan, reviewers, [], digest=""):
        return []
    return [{"at": "/stages", "message": _too_few(plan, reviewers)}]


def _too_few(plan: Plan, reviewers: list[Reviewer]) -> str:
    said = [f"Too few people could meet this plan. {in_words(plan)}."]
    for stage in plan.stages:
        names = [
            one.username
            for one in reviewers
            if any(predicates.matches(rule.where, one) for rule in stage.any_of)
        ]
        said.append(f"For {stage.name} there would be {', '.join(names) or 'nobody'}.")
    if plan.excluded:
        said.append("You do not count: who writes a rule does not decide under it.")
    if len(plan.stages) > 1 and not plan.allow_overlap:
        said.append("Nobody counts for two stages.")
    return " ".join(said)
