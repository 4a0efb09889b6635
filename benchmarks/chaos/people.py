"""The people: they ask for runs, approve payments, and look into the ledger when the platform asks them to."""

import itertools
import threading
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

from benchmarks.chaos.api import Refused, Repeated
from benchmarks.chaos.world import World

AGENT = "Chaos"
TOOLS = ("ledger_read", "ledger_put", "ledger_add", "ledger_pay")
ENDED = ("succeeded", "failed", "cancelled")
APPROVED_EVERY = 3
REJECTED_EVERY = 30
RETRIED_EVERY = 2
REVIEW_EVERY_S = 0.25
CONFLICT = 409


@dataclass(frozen=True, kw_only=True)
class Job:
    """One request that the platform accepted."""

    number: int
    run: str


class People:
    """Oscar asks, Bob reviews. Both go through the API, and repeat what was not answered with the same key."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.jobs: list[Job] = []
        self.answers: Counter[str] = Counter()
        self.waiting_for_a_stopped_worker = threading.Event()
        self._numbers = itertools.count(1)
        self._threads: list[Repeated] = []
        self._session = uuid.uuid4().hex
        self._oscar = world.api.token("oscar")
        self._bob = world.api.token("bob")
        alice = world.api.token("alice")
        body = {"blueprint": "assistant", "name": AGENT, "tools": list(TOOLS)}
        self._agent = world.api.ask("POST", "/api/v1/agents", token=alice, body=body, key="agent")["id"]

    def start(self) -> None:
        """Ask for runs and decide reviews, again and again."""
        asking = Repeated(self.keep_busy, every_s=1 / self.world.profile.runs_per_s)
        self._threads = [asking, Repeated(self.review, every_s=REVIEW_EVERY_S)]

    def check(self) -> None:
        """Raise what stopped Oscar or Bob from working."""
        for thread in self._threads:
            thread.check()

    def stop_asking(self) -> None:
        """Start no more runs; what is open is still decided."""
        self._threads[0].end()

    def go_home(self) -> None:
        """Stop altogether."""
        for thread in self._threads:
            thread.end()

    def unfinished(self) -> int:
        """Return how many accepted runs have not ended."""
        query = "SELECT count(*) FROM agents_run WHERE status <> ALL(%s) AND input->>'query' LIKE 'chaos:%%'"
        ((count,),) = self.world.rows(query, list(ENDED))
        return int(count)

    def keep_busy(self) -> None:
        """Start one run, unless many are under way."""
        if self.unfinished() < self.world.profile.unfinished_max:
            number = next(self._numbers)
            self._ask(number, approved=number % APPROVED_EVERY == 0)

    def ask(self, *, approved: bool = False) -> Job:
        """Start one run."""
        return self._ask(next(self._numbers), approved=approved)

    def _ask(self, number: int, *, approved: bool) -> Job:
        answer = self.world.api.ask(
            "POST",
            f"/api/v1/agents/{self._agent}/execute",
            token=self._oscar,
            body={"input": {"query": f"chaos: job {number}, {'approved' if approved else 'plain'}"}},
            key=f"{self._session}-{number}",
        )
        job = Job(number=number, run=answer["id"])
        self.jobs.append(job)
        return job

    def review(self) -> None:
        """Decide what waits for a person."""
        path = "/api/v1/hitl/queue?status=pending"
        for review in self.world.api.ask("GET", path, token=self._bob)["results"]:
            answer = self._answer(review) if review["agent"] == AGENT else None
            if answer is None:
                continue
            try:
                self.world.api.ask(
                    "POST",
                    f"/api/v1/hitl/queue/{review['id']}/respond",
                    token=self._bob,
                    body={"decision": answer, "message": "The ledger says so.", "version": review["version"]},
                    key=f"{self._session}-{review['id']}-{review['version']}",
                )
                self.answers[answer] += 1
            except Refused as refusal:
                if refusal.status != CONFLICT:
                    raise

    def _answer(self, review: dict[str, Any]) -> str | None:
        """Return what Bob says; None for what nobody can know yet."""
        if review["kind"] == "handoff":
            return "retry"
        if review["kind"] == "tool_call":
            return "reject" if review["arguments"]["job"] % REJECTED_EVERY == 0 else "approve"
        if self.waiting_for_a_stopped_worker.is_set():
            return None
        arguments = review["arguments"]
        if self.world.ledger.has(review["tool"], arguments["job"], arguments["n"]):
            return "it_happened"
        return "retry" if arguments["job"] % RETRIED_EVERY else "it_did_not"
