"""Drive one run over HTTP as its users would: request, approval, result, audit trail."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from launcher.errors import LauncherError
from launcher.ports import LOOPBACK

TENANT = "acme"
BLUEPRINT = "assistant"
REQUESTER, REVIEWER, PASSWORD = "alice", "bob", "demo"
QUERY = "Please refund 25.00 for order A-1001, it arrived broken"
WAIT_S = 20
DEADLINE_S = 60
SUCCESS = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)
ENDED = ("succeeded", "failed", "cancelled")

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Client:
    """One user of one tenant."""

    port: int
    token: str = ""

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Make a request and return the JSON object of the answer; raise unless it is a success."""
        # By address and Host header: not every system resolves *.localhost, and no proxy comes between.
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=WAIT_S + 20)
        headers = {"Host": f"{TENANT}.localhost:{self.port}", "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise LauncherError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        return _parse(method, path, response.status, text)

    def listed(self, path: str) -> Iterator[Json]:
        """Yield the results of all pages of a list."""
        while path:
            page = self.call("GET", path)
            yield from page["results"]
            following = urlsplit(page.get("next") or "")
            path = f"{following.path}?{following.query}" if following.path else ""


def drive(port: int, report: Callable[[str], None]) -> None:
    """Take one refund from request to approval to audit; report each step, raise at the first that fails."""
    alice = log_in(port, REQUESTER)
    report(f"{REQUESTER} is logged in at {TENANT}")
    agent = first(alice.listed("/api/v1/agents"), f"an agent of blueprint {BLUEPRINT}", blueprint=BLUEPRINT)
    report(f"the agent is {agent['name']}")

    request = {"input": {"query": QUERY}, "wait_s": WAIT_S}
    run = alice.call("POST", f"/api/v1/agents/{agent['id']}/execute", request)
    run = wait_for(alice, run, "waiting")
    report(f"run {run['id']} waits for a person")

    bob = log_in(port, REVIEWER)
    report(f"{REVIEWER} is logged in at {TENANT}")
    review = find_review(bob, run)
    report(f"review {review['id']} asks about {name_of(review['tool'])} {json.dumps(review['arguments'])}")
    decision = {"decision": "approve", "version": review["version"]}
    bob.call("POST", f"/api/v1/hitl/queue/{review['id']}/respond", decision)
    report(f"{REVIEWER} approved it")

    run = wait_for(alice, run, "succeeded")
    report(f"the run succeeded: {run['output']['answer']}")
    events = list(alice.listed(f"/api/v1/governance/audit?run={run['id']}"))
    if not events:
        raise LauncherError(f"the audit trail holds nothing about run {run['id']}")
    report(f"the audit trail holds {len(events)} events about it")
    wait_for_seal(alice, since=run["finished_at"])
    report("a signed checkpoint covers them")


def log_in(port: int, username: str) -> Client:
    """Return a client with a session of that user."""
    answer = Client(port=port).call(
        "POST", "/api/v1/auth/login", {"username": username, "password": PASSWORD}
    )
    return Client(port=port, token=answer["token"])


def first(found: Iterator[Json], what: str, **wanted: str) -> Json:
    """Return the first of a list whose fields have these values."""
    for item in found:
        if all(name_of(item.get(name)) == value for name, value in wanted.items()):
            return item
    raise LauncherError(f"there is no {what} in the demo data")


def wait_for(client: Client, run: Json, status: str) -> Json:
    """Poll a run until it has this status; raise if it ends otherwise or takes too long."""
    deadline = time.monotonic() + DEADLINE_S
    while run["status"] != status:
        if run["status"] in ENDED:
            raise LauncherError(f"run {run['id']} {run['status']} instead of {status}: {run.get('error')}")
        if time.monotonic() > deadline:
            raise LauncherError(
                f"run {run['id']} is still {run['status']} after {DEADLINE_S} s, not {status}"
            )
        time.sleep(0.2)
        run = client.call("GET", f"/api/v1/runs/{run['id']}")
    return run


def wait_for_seal(client: Client, *, since: str) -> None:
    """Wait until a checkpoint was signed after that moment; raise if none comes: the sealer does not run."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        newest = next(client.listed("/api/v1/governance/audit/checkpoints"), None)
        if newest is not None and moment(newest["at"]) > moment(since):
            return
        time.sleep(0.2)
    raise LauncherError(f"the audit trail was not sealed within {DEADLINE_S} s; see beat.log and worker.log")


def moment(text: str) -> datetime:
    """Return a time of the API."""
    return datetime.fromisoformat(text)


def find_review(client: Client, run: Json) -> Json:
    """Return the pending review of a run; it may appear a moment after the run says that it waits."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        for review in client.listed("/api/v1/hitl/queue?status=pending"):
            if id_of(review["run"]) == run["id"]:
                return review
        time.sleep(0.2)
    raise LauncherError(f"no review of run {run['id']} is in the queue of {REVIEWER}")


def id_of(reference: object) -> object:
    """Return the id of what a field refers to, given as an id or as an object."""
    return reference.get("id") if isinstance(reference, Mapping) else reference


def name_of(reference: object) -> object:
    """Return the name of what a field refers to, given as a name or as an object."""
    return reference.get("name") if isinstance(reference, Mapping) else reference


def _parse(method: str, path: str, status: int, text: str) -> Json:
    if status not in SUCCESS:
        raise LauncherError(f"{method} {path} was answered with {status}:", tail=text[:2000])
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise LauncherError(f"{method} {path} was not answered with a JSON object:", tail=text[:2000])
    return answer
