"""Compare what the platform says with what the ledger holds."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.chaos import ledger
from benchmarks.chaos.fleet import ROOT
from benchmarks.chaos.people import ENDED, Job, People
from benchmarks.chaos.watch import Watch
from benchmarks.chaos.world import TENANT, World

RUNS = """
SELECT input->>'query', status, output->>'answer', error,
  EXISTS (SELECT FROM hitl_review v WHERE v.run_id = r.id AND v.status = 'rejected')
  OR EXISTS (SELECT FROM agents_step s WHERE s.run_id = r.id AND s.status = 'failed'
    AND s.result->'content'->'error'->>'message' LIKE '%%took no effect%%')
FROM agents_run r WHERE input->>'query' LIKE 'chaos:%%'
"""
STEPS = """
SELECT s.id::text, s.run_id::text, s.name, s.status, s.request->'arguments' FROM agents_step s
WHERE s.kind = 'tool' AND s.name = ANY(%s)
"""
CLAIMS_LOST = """
WITH claim AS (
  SELECT s.id, s.run_id, s.finished_at, d.consumed_at AS at,
    lead(d.consumed_at, 1, 'infinity') OVER (PARTITION BY s.id ORDER BY d.consumed_at) AS until
  FROM agents_step s JOIN governance_policydecision d ON d.step_id = s.id
  WHERE d.consumed_at IS NOT NULL AND s.kind = 'tool' AND s.name = ANY(%s)
), lost AS (
  SELECT c.id, c.until, min(e.at) AS at FROM claim c JOIN governance_auditevent e ON e.run_id = c.run_id
  WHERE e.action = 'run.recovered' AND e.at >= c.at AND e.at < least(c.until, c.finished_at)
  AND NOT EXISTS (SELECT FROM hitl_review v WHERE v.step_id = c.id AND v.kind = 'outcome'
    AND v.created_at > c.at AND v.created_at <= e.at)
  GROUP BY c.id, c.at, c.until
)
SELECT id::text,
  EXISTS (SELECT FROM hitl_review v WHERE v.step_id = lost.id AND v.kind = 'outcome'
    AND v.created_at > lost.at AND v.created_at < lost.until)
  OR EXISTS (SELECT FROM governance_auditevent e WHERE e.step_id = lost.id
    AND e.action IN ('tool.succeeded', 'tool.failed') AND e.at > lost.at AND e.at < lost.until)
FROM lost
"""
TRAIL = """
SELECT e.at, concat_ws(' ', e.action, e.outcome, e.step_id, e.body->>'lease') FROM governance_auditevent e
WHERE e.run_id = (SELECT s.run_id FROM agents_step s WHERE s.id::text = %s) ORDER BY e.id
"""
APPROVALS = "SELECT step_id::text, status FROM hitl_review WHERE kind = 'tool_call' AND tool = %s"
RECOVERED = """
WITH taken AS (
  SELECT e.run_id, e.at, e.body->>'lease' AS lease, least(
    (SELECT min(s.created_at) FROM agents_step s WHERE s.run_id = e.run_id AND s.created_at > e.at),
    (SELECT min(s.finished_at) FROM agents_step s WHERE s.run_id = e.run_id AND s.finished_at > e.at),
    (SELECT min(v.created_at) FROM hitl_review v WHERE v.run_id = e.run_id AND v.created_at > e.at),
    (SELECT r.finished_at FROM agents_run r WHERE r.id = e.run_id)) AS next_step,
    lead(e.at, 1, 'infinity') OVER (PARTITION BY e.run_id ORDER BY e.at) AS next_loss
  FROM governance_auditevent e WHERE e.action = 'run.recovered'
)
SELECT run_id::text, lease, extract(epoch FROM at)::float8, extract(epoch FROM next_step)::float8, next_loss < next_step
FROM taken WHERE next_step IS NOT NULL ORDER BY at
"""


@dataclass(kw_only=True)
class Verdict:
    """The findings, in words, and the figures."""

    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    ambiguous: Counter[str] = field(default_factory=Counter)
    raised: Counter[str] = field(default_factory=Counter)
    trails: dict[str, list[str]] = field(default_factory=dict)
    recoveries_s: dict[str, float] = field(default_factory=dict)
    interrupted: int = 0
    audit_valid: bool = False
    audit: str = ""


def judge(world: World, people: People, watch: Watch) -> Verdict:
    """Read everything once all is quiet."""
    steps = world.rows(STEPS, [*ledger.NON_IDEMPOTENT, ledger.IDEMPOTENT])
    verdict = Verdict()
    verdict.lost = [
        *_unfinished(world.rows(RUNS), people.jobs),
        *_disagreements(steps, world.ledger.lines),
    ]
    approvals = dict(world.rows(APPROVALS, ledger.APPROVED))
    verdict.duplicates = [
        *ledger.duplicates(world.ledger.lines),
        *_unapproved(world.ledger.lines, approvals),
    ]
    _ambiguous(world, watch, verdict)
    _recoveries(world, watch, verdict)
    verdict.audit_valid, verdict.audit = _verify(world)
    return verdict


def _unfinished(runs: Sequence[tuple[Any, ...]], jobs: Sequence[Job]) -> list[str]:
    """Return runs that are missing, twice there, not ended, or ended otherwise than the people wanted.

    A run does all of its calls and answers "done", unless a person refused one, or the agent was told
    that one took no effect: by a person who looked, or by a worker that lost its lease before the call.
    """
    found: dict[str, list[tuple[Any, ...]]] = {}
    for query, *ending in runs:
        found.setdefault(query.partition(",")[0], []).append(tuple(ending))
    problems = []
    for job in jobs:
        name = f"chaos: job {job.number}"
        match found.get(name, []):
            case [("succeeded", "done", _, _)] | [("succeeded", _, _, True)]:
                pass
            case [(status, answer, error, _)] if status in ENDED:
                problems.append(f"{name} (run {job.run}) {status}: {answer or error}")
            case [(status, *_)]:
                problems.append(f"{name} (run {job.run}) is still {status}")
            case several:
                problems.append(f"{name} has {len(several)} runs")
    return problems


def _disagreements(steps: Sequence[tuple[Any, ...]], lines: Sequence[ledger.Line]) -> list[str]:
    """Return calls of which the platform says one thing and the ledger another."""
    done = {line.call for line in lines}
    problems = []
    for step, run, name, status, arguments in steps:
        call = (name, arguments["job"], arguments["n"])
        if (status == "succeeded") != (call in done) and status != "unknown":
            what = "is" if call in done else "is not"
            problems.append(f"step {step} of run {run}, {call}, is {status} and {what} in the ledger")
    return problems


def _unapproved(lines: Sequence[ledger.Line], approvals: dict[str, str]) -> list[str]:
    """Return payments that no approved review stands behind."""
    return [
        f"{line.call} ran with its review {approvals.get(line.key, 'missing')}"
        for line in lines
        if line.tool == ledger.APPROVED and approvals.get(line.key) != "approved"
    ]


def _ambiguous(world: World, watch: Watch, verdict: Verdict) -> None:
    """Count the claims of calls that must not be repeated whose worker was lost before the record.

    The rows tell: a call was claimed, then its run was taken from its worker, and it was not closed by
    then. So does what was seen from outside: a call that was open under a second lease had lost the
    first. Each time a person must have been asked, unless its own worker was only late and reported.
    """
    for step, is_raised in world.rows(CLAIMS_LOST, list(ledger.NON_IDEMPOTENT)):
        verdict.ambiguous[step] += 1
        verdict.raised[step] += is_raised
    for step, leases in watch.holders.items():
        if len(leases) > 1 and step not in verdict.ambiguous:
            verdict.ambiguous[step] = 1
    for step in verdict.ambiguous - verdict.raised:
        verdict.trails[step] = [f"{at:%H:%M:%S.%f} {what}" for at, what in world.rows(TRAIL, step)]
        verdict.trails[step] += [f"open under lease {lease}" for lease in watch.holders.get(step, ())]


def _recoveries(world: World, watch: Watch, verdict: Verdict) -> None:
    """Time each recovery, from the loss of a run's worker to the run's next step by another.

    A run whose second worker was killed too before it took a step counts from that death; the first
    recovery is interrupted, not slow.
    """
    for run, lease, at, next_step, is_interrupted in world.rows(RECOVERED):
        lost = watch.loss_before(lease, at)
        if is_interrupted:
            verdict.interrupted += 1
        elif lost is not None:
            verdict.recoveries_s[f"{run} at {at:.1f}"] = next_step - lost


def _verify(world: World) -> tuple[bool, str]:
    """Verify the tenant's audit log with the command that an auditor runs."""
    done = subprocess.run(
        [sys.executable, "manage.py", "audit", "verify", "--tenant", TENANT],
        cwd=ROOT,
        env={**os.environ, **world.stack.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, (done.stdout + done.stderr).strip()
