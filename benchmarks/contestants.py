"""Who takes part in the comparison: Countersign in this process, each peer in one of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks import steps

PEERS = ("bare_psycopg", "psycopg_openai", "langgraph", "openai_agents", "dbos", "pydantic_ai")
RUNNER = Path(__file__).parent / "peers" / "run.py"
GIVEN = ("PATH", "HOME", "LANG", "NO_PROXY", "no_proxy", "OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL")
TRANSACTIONS = "SELECT xact_commit FROM pg_stat_database WHERE datname = %s"


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What some runs took, in seconds; the CPU is that of the process that ran them."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One way to do W1. `measure` takes a number of runs and how many at once."""

    name: str
    database: str
    measure: Callable[[int, int], Effort]
    versions: dict[str, str] = field(default_factory=dict)


def countersign() -> Contestant:
    """Return ourselves; starting the run is inside the clock, as it is for the peers."""

    def measure(runs: int, at_once: int) -> Effort:
        with steps.timed() as (wall, cpu):
            steps.in_threads(runs, at_once=at_once)
        return Effort(wall_s=wall[0] / 1000, cpu_s=cpu[0] / 1000)

    with _owner() as connection:
        return Contestant(name="countersign", database=connection.info.dbname, measure=measure)


@contextmanager
def peer(name: str, python: str) -> Iterator[Contestant]:
    """Run a peer in its own process and its own, empty database of the same server."""
    database = f"peer_{name}"
    with _owner() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    url = os.environ["DATABASE_OWNER_URL"].rpartition("/")[0] + f"/{database}"
    process = subprocess.Popen(
        [python, "-P", str(RUNNER), name],
        env={key: os.environ[key] for key in GIVEN if key in os.environ} | {"PEERS_DATABASE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
    )
    assert process.stdin and process.stdout

    def answer() -> Any:
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"{name} ended with exit code {process.wait()}.")
        return json.loads(line)

    def measure(runs: int, at_once: int) -> Effort:
        assert process.stdin
        process.stdin.write(f"{runs} {at_once}\n")
        process.stdin.flush()
        return Effort(**answer())

    try:
        yield Contestant(name=name, database=database, measure=measure, versions=answer())
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()


def transactions(contestant: Contestant) -> int:
    """Return how many transactions its database has committed; PostgreSQL counts a second or so late."""
    with _owner() as connection:
        row = connection.execute(TRANSACTIONS, [contestant.database]).fetchone()
    assert row is not None
    return int(row[0])


def _owner() -> psycopg.Connection:
    return psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True)
