"""Rules for tests: documents, compiled rules, and policies in force."""

from typing import Any

from governance.policies.engine import RuleSet
from governance.policies.models import Policy
from governance.policies.publishing import save_policy
from governance.policies.rules import Layer, Rule, compile_rule
from tests.governance.samples import NOW

ANY: dict[str, Any] = {"tools": ["*"]}


def document(effect: str, when: Any = None, *, slug: str = "a-rule", **members: Any) -> dict[str, Any]:
    """Return a rule's document, for every tool unless `match` says otherwise."""
    made = {"id": slug, "match": ANY, "effect": effect, **members}
    return made if when is None else {**made, "when": when}


def leaf(path: str, op: str, value: Any = True) -> dict[str, Any]:
    """Return one condition."""
    return {"path": path, "op": op, "value": value}


def rule(effect: str, when: Any = None, *, layer: Layer = Layer.TENANT, **members: Any) -> Rule:
    """Return a compiled rule."""
    return compile_rule(document(effect, when, **members), layer=layer)


def rules(*enforced: Rule, **values: Any) -> RuleSet:
    """Return a set of rules in force."""
    return RuleSet(enforced=enforced, **values)


def in_force(
    effect: str, when: Any = None, *, slug: str = "a-rule", author: Any = None, **members: Any
) -> Policy:
    """Put a rule in force in the current tenant, as if it had been activated."""
    policy = Policy(slug=slug, name=slug.replace("-", " ").capitalize(), layer=Layer.TENANT)
    made = document(effect, when, slug=slug, **members)
    policy.active = save_policy(policy=policy, document=made, by=author, now=NOW)
    policy.save(update_fields=["active"])
    return policy
