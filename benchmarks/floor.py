"""The bare-SQL floor: the rows that a governed step writes, through psycopg and nothing else."""

import json
import statistics
import time
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
from django.conf import settings

from benchmarks.fixtures import SCHEMA
from tenants.kernel.models import uuid7

BODY = json.dumps({"input": "x" * 400, "output": "y" * 400})
STEP = """
INSERT INTO agents_step (id, run_id, number, kind, status, name, call_id, request, result, attempts, checksum,
 input_tokens, output_tokens, created_at, finished_at)
VALUES (%s, %s, %s, %s, 'executing', 'ping', 'c', %s, %s, 0, '', 0, 0, now(), now())
"""
EVENT = """
INSERT INTO governance_auditevent (id, at, action, actor_kind, actor_id, actor_name, user_name, agent_id,
 agent_name, run_id, step_id, trace_id, subject_kind, subject_id, outcome, body, digest)
VALUES (%s, now(), 'x', 'agent', '1', 'a', 'u', '1', 'a', %s, %s, 't', 'run', '1', 'ok', %s, %s)
"""
DECISION = """
INSERT INTO governance_policydecision (id, at, effect, digest, request, reasons, input_digest, rules_version, facts,
 obligations, run_id, step_id)
VALUES (%s, now(), 'permit', %s, %s, '[]', '', '', '{}', '[]', %s, %s)
"""
CONSUME = "UPDATE governance_policydecision SET consumed_at = now() WHERE id = %s AND consumed_at IS NULL"
RUN = "UPDATE agents_run SET updated_at = now(), lease_expires_at = now() WHERE id = %s"
CLOSE = "UPDATE agents_step SET status = 'succeeded', result = %s, finished_at = now() WHERE id = %s"


def connect() -> psycopg.Connection:
    """Return a connection on the benchmark tenant's schema."""
    url = str(settings.DATABASES["default"]["NAME"])
    database = settings.DATABASES["default"]
    connection = psycopg.connect(
        host=database["HOST"],
        port=database["PORT"],
        user=database["USER"],
        password=database["PASSWORD"],
        dbname=url,
        autocommit=True,
    )
    connection.execute(f"SET search_path = {SCHEMA}, public")
    return connection


def step_ms(run_id: uuid.UUID, *, repeat: int) -> float:
    """Return the median milliseconds of one step's rows: two transactions, as the engine commits them."""
    numbers = iter(range(1_000_000, 2_000_000))

    def step(connection: psycopg.Connection) -> None:
        model, tool, decision = uuid7(), uuid7(), uuid7()
        with connection.transaction():
            connection.execute(RUN, [run_id])
            connection.execute(STEP, [model, run_id, next(numbers), "model", BODY, BODY])
            connection.execute(EVENT, [uuid7(), run_id, model, BODY, b"0" * 32])
            connection.execute(STEP, [tool, run_id, next(numbers), "tool", BODY, BODY])
            connection.execute(DECISION, [decision, "0" * 64, BODY, run_id, tool])
            connection.execute(EVENT, [uuid7(), run_id, tool, BODY, b"0" * 32])
            connection.execute(CONSUME, [decision])
        with connection.transaction():
            connection.execute(RUN, [run_id])
            connection.execute(CLOSE, [BODY, tool])
            connection.execute(EVENT, [uuid7(), run_id, tool, BODY, b"0" * 32])

    return _median_ms(step, repeat)


def gate_ms(run_id: uuid.UUID, *, standing: tuple[str, dict[str, Any]], repeat: int) -> float:
    """Return the median milliseconds of what one decision reads and writes, in one transaction.

    `standing` is the statement that asks for rights, with its values.
    """

    def decide(connection: psycopg.Connection) -> None:
        with connection.transaction():
            connection.execute(standing[0], standing[1], prepare=True).fetchall()
            connection.execute(DECISION, [uuid7(), "0" * 64, BODY, run_id, run_id])
            connection.execute(EVENT, [uuid7(), run_id, run_id, BODY, b"0" * 32])

    return _median_ms(decide, repeat)


def _median_ms(work: Callable[[psycopg.Connection], None], repeat: int) -> float:
    times = []
    with connect() as connection:
        for _ in range(repeat):
            started = time.perf_counter()
            work(connection)
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[repeat // 10 :])
