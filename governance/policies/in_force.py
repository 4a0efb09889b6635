"""The policies of the current schema and of the platform, compiled, as the gate asks them."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from governance.policies import engine
from governance.policies.engine import RuleSet
from governance.policies.rules import Layer, Mode, Rule, compile_rule
from governance.policies.validity import zone_of
from tenants.kernel import prepared
from tenants.kernel.context import PUBLIC, require_schema

_COLUMNS = """
SELECT p.slug, p.name, p.layer, p.agent_id, v.document, v.author_id, v.id, v.id = p.active_id AS is_active,
 p.shadow_id IS NOT NULL AS has_shadow
FROM {schema}governance_policy p
JOIN {schema}governance_policyversion v ON v.id IN (p.active_id, p.shadow_id) ORDER BY p.slug, v.number
"""
_OWN, _PLATFORM = _COLUMNS.format(schema=""), _COLUMNS.format(schema="public.")
_DEFAULT = "SELECT read_only_may, timezone FROM governance_policydefault"


class Row(NamedTuple):
    """A version that is in force or in shadow; Django has the driver give its JSON as text."""

    slug: str
    name: str
    layer: str
    agent_id: Any
    document: str
    author_id: int | None
    version_id: Any
    is_active: bool
    has_shadow: bool


def standing() -> RuleSet:
    """Return the rules in force; raise InvalidInput if one does not compile, so that the gate denies."""
    rows = [Row(*row) for row in prepared.execute(_OWN, {})]
    if require_schema() != PUBLIC:
        rows += [Row(*row) for row in prepared.execute(_PLATFORM, {})]
    [(read_only_may, zone)] = prepared.execute(_DEFAULT, {}) or [(True, "UTC")]
    return rule_set([(row, compiled(row)) for row in rows], read_only_may=read_only_may, zone=zone)


def compiled(row: Row) -> Rule:
    """Return the rule of a version. An author of the platform is nobody of the tenant's."""
    layer = Layer(row.layer)
    return compile_rule(
        json.loads(row.document),
        name=row.name,
        layer=layer,
        agent_id=str(row.agent_id) if row.agent_id else "",
        author_id=None if layer is Layer.PLATFORM else row.author_id,
        version=str(row.version_id),
    )


def rule_set(rows: Sequence[tuple[Row, Rule]], *, read_only_may: bool, zone: str) -> RuleSet:
    """Return the rules that decide, and those that would if every shadow were in force."""
    live = [(row, rule) for row, rule in rows if engine.is_asked(rule)]
    enforced = tuple(rule for row, rule in live if row.is_active and rule.mode is Mode.ENFORCE)
    rehearsed = tuple(rule for row, rule in live if not row.is_active or not row.has_shadow)
    return RuleSet(
        enforced=enforced,
        rehearsed=rehearsed if rehearsed != enforced else (),
        read_only_may=read_only_may,
        zone=zone_of(zone),
    )
