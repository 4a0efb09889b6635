"""What of a tenant's reviews counts as usage: SQL for tenants.usage."""

REVIEWS = """
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM hitl_review
WHERE created_at >= %(since)s AND created_at < %(until)s GROUP BY 1
"""
