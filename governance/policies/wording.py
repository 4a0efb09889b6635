"""Rules in plain words. Pure."""

from collections.abc import Sequence
from typing import Any

from governance.policies import paths
from governance.policies.redaction import REPLACEMENT
from governance.policies.rules import Rule
from tenants.kernel.jsonvalues import JsonObject

OP_WORDS = {
    "eq": "is",
    "ne": "is not",
    "lt": "is less than",
    "le": "is at most",
    "gt": "is greater than",
    "ge": "is at least",
    "in": "is one of",
    "not_in": "is none of",
    "has": "contains",
    "lacks": "does not contain",
    "matches": "matches the expression",
    "glob": "looks like",
    "cidr": "is in the network",
    "exists": "is given",
    "len": "has a length that",
    "subset_of": "has nothing but",
}
MINUTE, HOUR = 60, 3600


def because(rule: Rule, troubles: Sequence[str] = ()) -> str:
    """Return why a rule stopped a call, for people and for the agent."""
    said = rule.message.strip() or _said(rule)
    if troubles:
        said = f"{said} It could not be checked, so it counts: {'; '.join(troubles)}."
    return said


def _said(rule: Rule) -> str:
    if rule.ask is not None:
        return f"The rule '{rule.name}' asks for {people(rule.ask.quorum, rule.ask.groups)}."
    return f"The rule '{rule.name}' refuses this call."


def people(quorum: int, groups: Sequence[str]) -> str:
    """Return how many people of which groups, in words."""
    some = "one person" if quorum == 1 else f"{quorum} people"
    return f"{some} of {' and as many of '.join(groups)}" if groups else some


def in_words(document: JsonObject) -> str:
    """Return a rule that compiles as one or two sentences."""
    match = document.get("match", {})
    about = [_listed("the tool", match.get("tools")), _listed("the agent", match.get("agents"))]
    about.append(_listed("the tenant", match.get("tenants")))
    parts = [part for part in about if part]
    if document.get("when") is not None:
        parts.append(_tree(document["when"]))
    when = f"When {' and '.join(parts)}" if parts else "For every call"
    return f"{when}, {_does(document)}.{_besides(document)}"


def _listed(what: str, patterns: Any) -> str:
    if not patterns or "*" in patterns:
        return ""
    if len(patterns) == 1:
        return f"{what} {'looks like' if '*' in patterns[0] else 'is'} {patterns[0]}"
    return f"{what} is one of {', '.join(patterns)}"


def _tree(node: JsonObject, *, inside: bool = False) -> str:
    if "not" in node:
        return f"not ({_tree(node['not'])})"
    for word, joint in (("all", " and "), ("any", " or ")):
        if word in node:
            said = joint.join(_tree(part, inside=True) for part in node[word])
            return f"({said})" if (inside or word == "any") and len(node[word]) > 1 else said
    return condition(node)


def condition(leaf: JsonObject) -> str:
    """Return one condition in words."""
    what, op, value = paths.in_words(leaf["path"]), leaf["op"], leaf.get("value")
    if op == "exists":
        return f"{what} is {'not ' if value is False else ''}given"
    if op == "len" and isinstance(value, dict):
        [(compare, count)] = value.items()
        return f"{what} has a length that {OP_WORDS[compare]} {count}"
    if paths.kind_of(leaf["path"]) is paths.Kind.TRUTH and isinstance(value, bool) and op in {"eq", "ne"}:
        return what if value is (op == "eq") else f"not ({what})"
    return f"{what} {OP_WORDS[op]} {_value(value)}"


def _value(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case list():
            return ", ".join(_value(one) for one in value)
        case str():
            return f"'{value}'"
    return str(value)


def _does(document: JsonObject) -> str:
    params = document.get("params") or {}
    match document["effect"]:
        case "allow":
            return "let the call run as its risk tier asks"
        case "deny":
            return "refuse the call"
        case "redact":
            what = ", ".join(paths.in_words(path) for path in params["paths"])
            put = params.get("replacement", REPLACEMENT)
            if params.get("pattern"):
                return f"put {put} in the place of what matches '{params['pattern']}' in {what}"
            return f"put {put} in the place of {what}"
    approvers = params.get("approvers", [])
    groups = [approvers] if isinstance(approvers, str) else approvers
    return f"ask {people(params.get('quorum', 1), [name.removeprefix('group:') for name in groups])}"


def _besides(document: JsonObject) -> str:
    said = ""
    ttl = (document.get("params") or {}).get("ttl_s")
    if ttl:
        said += f" Nobody can approve after {_span(ttl)}."
    for one in document.get("obligations", []):
        to = one.get("to")
        said += f" {one['type'].capitalize()}{f' to {to}' if to else ''} follows."
    valid = document.get("valid") or {}
    spans = [f"{word} {valid[word]}" for word in ("from", "until") if valid.get(word)]
    spans += valid.get("windows", [])
    if spans:
        said += f" In force {', '.join(spans)} ({valid.get('tz', 'UTC')})."
    if document.get("mode") == "shadow":
        said += " It is only recorded."
    return said


def _span(seconds: int) -> str:
    for unit, word in ((HOUR, "hour"), (MINUTE, "minute")):
        if seconds % unit == 0:
            count = seconds // unit
            return f"{count} {word}{'s' if count > 1 else ''}"
    return f"{seconds} seconds"
