"""A stack of its own to break: stores, model, the fleet under test, and the ledger outside."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.chaos.api import Api
from benchmarks.chaos.fleet import Fleet
from benchmarks.chaos.ledger import Ledger
from benchmarks.chaos.profiles import Profile
from launcher import application
from launcher import stack as stacks
from launcher.processes import Child
from launcher.project import Project
from launcher.stack import Stack

TENANT = "acme"
READY_S = 60.0


@dataclass(kw_only=True)
class World:
    """Everything there is, and the ways to break the stores."""

    profile: Profile
    stack: Stack
    fleet: Fleet
    ledger: Ledger
    api: Api
    failpoint: Path

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read the tenant's tables on a connection of its own, as their owner; wait out a restart."""
        deadline = time.monotonic() + READY_S
        while True:
            try:
                with psycopg.connect(
                    self.stack.variables["DATABASE_OWNER_URL"], connect_timeout=5
                ) as connection:
                    connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(TENANT)))
                    return connection.execute(query, parameters).fetchall()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def arm(self, point: str) -> None:
        """Let the next process that reaches the point die there."""
        self.failpoint.with_name(f"{self.failpoint.name}.taken").unlink(missing_ok=True)
        new = self.failpoint.with_name(f"{self.failpoint.name}.new")
        new.write_text(point)
        new.rename(self.failpoint)

    def disarm(self) -> bool:
        """Take the point away; return whether somebody had died there."""
        self.failpoint.unlink(missing_ok=True)
        return self.failpoint.with_name(f"{self.failpoint.name}.taken").exists()

    def kill_valkey(self) -> None:
        """End the broker with SIGKILL."""
        self._end("valkey", SIGKILL)

    def start_valkey(self) -> None:
        """Start the broker again where it was, with what its append-only file kept."""
        assert self.stack.valkey is not None
        self.stack.valkey.wait(self.stack.valkey.launch())

    def flush_valkey(self) -> None:
        """Empty the broker, queues included."""
        import redis

        with redis.Redis.from_url(self.stack.variables["REDIS_URL"]) as client:
            client.flushall()

    def restart_postgres(self, *, immediate: bool) -> None:
        """Stop PostgreSQL without (`immediate`) or with a shutdown checkpoint, and start it again."""
        assert self.stack.postgres is not None
        self._end("postgres", SIGQUIT if immediate else SIGINT)
        self.stack.postgres.wait(self.stack.postgres.launch())

    def _end(self, name: str, number: int) -> None:
        child = self._child(name)
        os.kill(child.popen.pid, number)
        child.popen.wait(timeout=60)
        self.stack.children.forget(child)

    def _child(self, name: str) -> Child:
        return next(child for child in self.stack.children.running if child.program.name == name)


@contextmanager
def opened(profile: Profile, *, seed: int) -> Iterator[World]:
    """Start a temporary stack, with an agent that has the ledger's tools; delete all of it afterwards."""
    with stacks.temporary(Project.here(), "chaos") as stack:
        stack.settings, stack.theirs = profile.settings, {}
        application.prepare(stack)
        directory = stack.state.directory
        ledger = Ledger(directory / "ledger.jsonl", delay_s=profile.effect_delay_s, seed=seed)
        failpoint = directory / "failpoint"
        environment = {
            **stack.environment,
            "COUNTERSIGN_LEDGER": ledger.url,
            "OUTBOUND_ALLOWED_CIDRS": "127.0.0.1/32",  # where the ledger is
            "COUNTERSIGN_FAILPOINTS": str(failpoint),
        }
        fleet = Fleet(
            environment=environment, directory=stack.state.logs, port=stack.port, threads=profile.threads
        )
        api = Api(port=stack.port, host=f"{TENANT}.localhost")
        try:
            fleet.start(workers=profile.workers)
            _wait_until_ready(stack.port)
            yield World(
                profile=profile, stack=stack, fleet=fleet, ledger=ledger, api=api, failpoint=failpoint
            )
        finally:
            fleet.close()
            ledger.close()


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + READY_S
    while not application.is_ready(port):
        if time.monotonic() > deadline:
            raise RuntimeError("The web process did not become ready.")
        time.sleep(0.05)
