"""What of a tenant's runs counts as usage: SQL for tenants.usage."""

RUNS = """
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM agents_run
WHERE created_at >= %(since)s AND created_at < %(until)s GROUP BY 1
"""
STEPS = """
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM agents_step
WHERE created_at >= %(since)s AND created_at < %(until)s GROUP BY 1
"""
TOOL_CALLS = """
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM agents_step
WHERE kind = 'tool' AND created_at >= %(since)s AND created_at < %(until)s GROUP BY 1
"""
INPUT_TOKENS = """
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, sum(input_tokens) AS n FROM agents_step
WHERE created_at >= %(since)s AND created_at < %(until)s GROUP BY 1
"""
OUTPUT_TOKENS = """
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, sum(output_tokens) AS n FROM agents_step
WHERE created_at >= %(since)s AND created_at < %(until)s GROUP BY 1
"""

AGENTS_NOW = "SELECT count(*) FROM agents_agent"
RUNS_TODAY = "SELECT count(*) FROM agents_run WHERE created_at >= %(day)s"
RUNS_AT_ONCE = "SELECT count(*) FROM agents_run WHERE status = 'running'"
TOKENS_THIS_MONTH = (
    "SELECT coalesce(sum(input_tokens + output_tokens), 0) FROM agents_step WHERE created_at >= %(month)s"
)
