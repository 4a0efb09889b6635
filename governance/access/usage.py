"""Who of a tenant's people counts as usage: SQL for tenants.usage."""

ACTIVE_PEOPLE = """
SELECT (at AT TIME ZONE 'UTC')::date AS day, count(DISTINCT actor_id) AS n FROM governance_auditevent
WHERE actor_kind = 'person' AND at >= %(since)s AND at < %(until)s GROUP BY 1
"""
PEOPLE_NOW = "SELECT count(*) FROM governance_user WHERE kind = 'person' AND is_active"
