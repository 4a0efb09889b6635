"""Write figures into docs/performance.md: `python3 -m benchmarks.page RESULT.json ...`.

Each file is what `./countersign bench --json` or `./countersign bench-peers --json` printed; with several of one
kind a cell shows the range. Tables stand between `<!-- NAME -->` and `<!-- end NAME -->`.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import GOALS

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
MEANINGS = {
    "machine.spin_ms": "the fixed loop: median of before, between and after",
    "machine.spin_worst_ms": "the same, slowest",
    "machine.load_1m": "processes that wanted a core when it began",
    "w1.ms_per_step": "ms a governed step, one run after another in one thread",
    "w1.model_ms_per_step": "of which the call of the scripted model through the `openai` client",
    "w1.ms_per_step_beyond_model": "of which ours",
    "w1.floor_ms_per_step": "floor: a step's rows in bare SQL through psycopg, two transactions",
    "w1.cpu_ms_per_step_one_thread": "CPU ms a step of that one process",
    "w1.steps_per_s_1proc": "steps a second, one worker process of 8 threads",
    "w1.steps_per_s_2proc": "two worker processes",
    "w1.steps_per_s_3proc": "three worker processes",
    "w1.cpu_ms_per_step": "CPU ms a step of the one worker process",
    "w1.cpu_ms_per_step_postgres": "of PostgreSQL, all its processes",
    "w1.cpu_ms_per_step_model": "of the scripted model",
    "w1.cpu_ms_per_step_redis": "of Valkey",
    "w1.cpu_ms_per_step_web": "of web",
    "w1.cpu_ms_per_step_beat": "of beat",
    "gate.ms": "ms for one recorded decision of the gate",
    "gate.floor_ms": "floor: the rights it reads and the rows it writes in bare SQL",
    "gate.decisions_per_s": "durable audited decisions a second, two processes",
    "w2.p50_ms": "ms from a committed decision to the tool's start in another process, median of 200",
    "w2.p95_ms": "95th percentile",
    "api.read_p50_ms": "ms for an authenticated read of a run over HTTP, median",
    "api.read_p95_ms": "95th percentile",
    "api.decide_p95_ms": "ms for an approval over HTTP, 95th percentile of 20",
    "rss_mb.redis": "MB, peak resident: Valkey",
    "rss_mb.postgres": "MB, proportional, all processes: PostgreSQL",
    "rss_mb.web": "MB, peak resident: web",
    "rss_mb.worker": "worker",
    "rss_mb.beat": "beat",
    "halt.p50_ms": "ms from a kill switch, with 200 live runs, to the last effect that still started: median of 20",
    "halt.p99_ms": "the slowest of 20",
    "halt.late_effects_per_trip": "effects that still started, a trip",
    "halt.trip_ms": "ms that the person who trips it waits, median",
    "live.sockets": "sockets of open pages in one tenant",
    "live.events_per_s": "changes a second",
    "live.p50_ms": "ms from the commit of a change to its message at a socket, median",
    "live.p95_ms": "95th percentile of all sockets and changes",
    "live.lost": "messages that did not come",
    "queue.pending": "reviews that wait",
    "queue.p50_ms": "ms for the queue page over HTTP, median",
    "queue.p95_ms": "95th percentile",
    "queue.may_p95_ms": "the same, of those that the reviewer may decide",
    "queue.search_p95_ms": "the same, searched",
    "queue.filtered_p95_ms": "the same, by risk, assignee and requester",
    "queue.queries": "queries of one page",
    "waiting.runs": "runs that wait for an approval",
    "waiting.runs_not_copied": "of which came about through the product; the others are copies of one of them",
    "waiting.worker_slots": "worker threads that hold one of them",
    "waiting.rss_mb_before.worker": "MB of the worker before",
    "waiting.rss_mb.worker": "and with them",
    "waiting.rss_mb_before.postgres": "MB of PostgreSQL before",
    "waiting.rss_mb.postgres": "and with them",
    "waiting.cpu_ms_per_s.worker": "CPU ms a second of the worker with nothing else to do",
    "waiting.cpu_ms_per_s.beat": "of beat",
    "waiting.cpu_ms_per_s.postgres": "of PostgreSQL",
    "waiting.other_run_before_ms": "ms of another run of five steps from start to end, before",
    "waiting.other_run_ms": "and with them",
    "waiting.approve_to_effect_p50_ms": "W2 among them, median of 200",
    "waiting.approve_to_effect_p95_ms": "95th percentile",
    "timers.due": "timers due at once, each a step of an escalation",
    "timers.per_s": "of them fired a second, by one worker thread",
    "timers.tick_s": "seconds until none was left",
}
PEERS = {
    "countersign": "**Countersign**",
    "bare_psycopg": "bare psycopg, no model call",
    "psycopg_openai": "psycopg and the `openai` client",
    "langgraph": "LangGraph, PostgresSaver",
    "openai_agents": "OpenAI Agents SDK, SQLAlchemy session",
    "dbos": "DBOS",
    "pydantic_ai": "Pydantic AI on DBOS",
}
COLUMNS = (
    "ms_per_step",
    "cpu_ms_per_step",
    "postgres_cpu_ms_per_step",
    "transactions_per_step",
    "steps_per_s_8_at_once",
)
RATIOS = ("ratio", "ratio_8_at_once", "ratio_cpu")


def main(paths: Sequence[str]) -> None:
    """Replace the tables that the given results are for."""
    results = [json.loads(Path(path).read_text()) for path in paths]
    peers = [result for result in results if "peers" in result]
    bench = [result for result in results if "peers" not in result]
    text = PAGE.read_text()
    text = _replaced(text, "bench", bench_table(bench)) if bench else text
    PAGE.write_text(_replaced(text, "peers", peers_table(peers)) if peers else text)


def bench_table(results: Sequence[Any]) -> list[str]:
    """Return the table of `make bench`; a metric that was not measured has no line."""
    lines = ["| metric | what | measured | goal |", "|---|---|---|---|"]
    for name, meaning in MEANINGS.items():
        if cell := _range([_at(result, name) for result in results]):
            lines.append(f"| `{name}` | {meaning} | {cell} | {GOALS.get(name, '')} |")
    return lines


def peers_table(results: Sequence[Any]) -> list[str]:
    """Return the table of `make bench-peers`."""
    lines = [
        "| per step | ms | CPU ms | PostgreSQL CPU | transactions | steps/s, 8 at once | ours | 8 at once | by CPU |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, title in PEERS.items():
        where = name if name == "countersign" else f"peers.{name}"
        cells = [_range([_at(result, f"{where}.{column}") for result in results]) for column in COLUMNS]
        cells += [_range([_at(result, f"{ratio}.{name}") for result in results]) for ratio in RATIOS]
        if cells[0]:
            lines.append(f"| {title} | {' | '.join(cells)} |")
    floor = _range([_at(result, "countersign.floor_ms_per_step") for result in results])
    lines += ["", f"The rows of a governed step in bare SQL, in the same rounds: {floor} ms. Fixed loop: "]
    lines[-1] += _range([_at(result, "machine.spin_ms") for result in results]) + " ms, at worst "
    lines[-1] += _range([_at(result, "machine.spin_worst_ms") for result in results]) + " ms."
    versions: dict[str, str] = {}
    for figures in results[-1]["peers"].values():
        versions |= figures["versions"]
    return [*lines, "", f"Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}."]


def _at(result: Any, name: str) -> float | None:
    for part in name.split("."):
        result = result.get(part) if isinstance(result, dict) else None
    return result if isinstance(result, int | float) else None


def _range(values: Sequence[float | None]) -> str:
    found = [value for value in values if value is not None]
    if not found:
        return ""
    low, high = _number(min(found)), _number(max(found))
    return low if low == high else f"{low} to {high}"


def _number(value: float) -> str:
    """Return three digits, or all before the point."""
    if isinstance(value, int) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _replaced(text: str, name: str, lines: Sequence[str]) -> str:
    start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    block = "\n".join([start, *lines, end])
    changed, count = re.subn(f"{start}.*?{end}", lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{PAGE} has no single {start} ... {end}.")
    return changed


if __name__ == "__main__":
    main(sys.argv[1:])
