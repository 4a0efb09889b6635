"""Which kill switches stand over a run: SQL for the worker's fence, and the words for people. No Django.

`STANDING_SQL` is a sub-select for a statement on agents_run that has the parameter `schema`. It gives a
JSON array of objects with `scope` (suspension, agent, tenant or platform), `reason` and `by`, empty if none stands.
A suspended tenant counts as stopped as if by a switch over everything.
"""

from collections.abc import Sequence
from typing import Any

PREFIX = "Kill switch"
SUSPENDED = "Suspended by the platform"
MAX_REASON = 200
ESCALATION = "an escalation"
"""Who tripped a switch that no person did: the last step of an escalation policy. STANDING_SQL says it too."""

STANDING_SQL = """(
  SELECT coalesce(json_agg(json_build_object('scope', h.scope, 'reason', h.reason, 'by', h.by)), '[]'::json)
  FROM (
    SELECT 'suspension' AS scope, n.state_reason AS reason, n.state_by AS by
    FROM public.tenants_tenant n
    WHERE n.schema_name = %(schema)s AND n.state <> 'active'
    UNION ALL
    SELECT 'platform', p.reason, p.by
    FROM public.tenants_platformhalt p
    WHERE p.lifted_at IS NULL AND p.schema IN ('', %(schema)s)
    UNION ALL
    SELECT CASE WHEN t.agent_id IS NULL THEN 'tenant' ELSE 'agent' END, t.reason,
      coalesce(u.username, 'an escalation')
    FROM agents_halt t LEFT JOIN governance_user u ON u.id = t.by_id
    WHERE t.lifted_at IS NULL AND (t.agent_id IS NULL OR t.agent_id = agents_run.agent_id)
  ) h
)"""


def pause_reason(reason: str, by: str, *, prefix: str = PREFIX) -> str:
    """Return what a run paused by a kill switch, or SUSPENDED, says; by its prefix it is found when that ends."""
    said = f"{prefix}: {reason} (by {by})"
    return said if len(said) <= MAX_REASON else f"{said[: MAX_REASON - 1]}…"


def pause_reason_of(standing: Sequence[dict[str, Any]]) -> str:
    """Return the pause reason for what STANDING_SQL gave; empty if none stands."""
    if not standing:
        return ""
    first = next((one for one in standing if one["scope"] == "suspension"), standing[0])
    prefix = SUSPENDED if first["scope"] == "suspension" else PREFIX
    return pause_reason(first["reason"], first["by"], prefix=prefix)


def is_of_switch(reason: str) -> bool:
    """Tell whether a pause reason says that a kill switch or a suspension stopped the run."""
    return reason.startswith((PREFIX, SUSPENDED))
