"""A plan as lines that people write and read. Pure.

    peer: 1 of payments
    control: 2 of risk or 1 of cro

Each line is a stage: a name, then how many of which group; `anybody` stands for whoever may decide reviews.
"""

import re
from collections.abc import Sequence
from typing import Any

from hitl.reviews import predicates
from hitl.reviews.quorum import SEQUENTIAL, Plan, Rule
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject

ANYBODY = "anybody"
_RULE = re.compile(r"(\d{1,3}) of (.+)")
_OR = re.compile(r"\s+or\s+(?=\d+ of )")
_GROUP = re.compile(r"""('[^'\\]*'|"[^"\\]*") in reviewer\.groups""")


def parse(text: str) -> list[JsonObject]:
    """Return the stages of a plan; raise InvalidInput that names the line that is not understood."""
    stages = []
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines())), start=1):
        name, _, said = line.partition(":")
        rules = [_RULE.fullmatch(rule.strip()) for rule in _OR.split(said.strip())]
        if not name.strip() or not all(rules):
            message = f"Line {number} is not understood: write, say, peer: 1 of payments or 2 of anybody."
            raise InvalidInput(message, errors=[{"at": "/stages", "message": message}])
        any_of = [_rule(int(rule[1]), rule[2].strip()) for rule in rules if rule]
        stages.append({"name": name.strip(), "any_of": any_of})
    return stages


def _rule(approve: int, group: str) -> JsonObject:
    where = "" if group == ANYBODY else f"{group!r} in reviewer.groups"
    return {"approve": approve, "reject": 1, "where": where}


def text_of(document: JsonObject) -> str | None:
    """Return the stages as lines, or None if a rule says more than lines can."""
    lines = []
    for stage in document["stages"]:
        rules = []
        for rule in stage["any_of"]:
            group = _group(rule.get("where", ""))
            if group is None or rule.get("reject", 1) != 1:
                return None
            rules.append(f"{rule['approve']} of {group}")
        lines.append(f"{stage['name']}: {' or '.join(rules)}")
    text = "\n".join(lines)
    return text if _same(text, document["stages"]) else None


def _same(text: str, stages: Sequence[Any]) -> bool:
    """Tell whether the lines say what the stages do: a group may be named like a rule."""
    wanted = [
        {"name": s["name"], "any_of": [{"reject": 1, "where": "", **rule} for rule in s["any_of"]]}
        for s in stages
    ]
    try:
        return parse(text) == wanted
    except InvalidInput:
        return False


def _group(where: str) -> str | None:
    if not where.strip():
        return ANYBODY
    found = _GROUP.fullmatch(where.strip())
    return found[1][1:-1] if found else None


def in_words(plan: Plan) -> str:
    """Return the plan as one sentence."""
    stages = [
        f"stage {stage.name}: {' or '.join(_rule_in_words(rule) for rule in stage.any_of)}"
        for stage in plan.stages
    ]
    then = "; then " if plan.order == SEQUENTIAL else "; and "
    said = then.join(stages)
    if plan.min_distinct > sum(min(rule.approve for rule in stage.any_of) for stage in plan.stages):
        said += f"; {plan.min_distinct} people in all"
    return said[:1].upper() + said[1:]


def _rule_in_words(rule: Rule) -> str:
    group = _group(rule.where)
    if group == ANYBODY:
        return f"{rule.approve} of those who decide reviews"
    if group is not None:
        return f"{rule.approve} of '{group}'"
    return f"{rule.approve} of those for whom {predicates.in_words(rule.where)}"
