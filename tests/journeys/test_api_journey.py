"""Request → waiting → a person decides → what ran is what was decided, over HTTP with a real worker."""

import time
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.journey]
REQUEST = "Please refund {amount} for order {order}, it arrived broken"
ENDED = {"succeeded", "failed", "cancelled"}


def execute(client: httpx.Client, query: str) -> dict[str, Any]:
    """Ask the tenant's agent and return its run once it ended or waits."""
    agent = next(a for a in client.get("/api/v1/agents").json()["results"] if a["name"] != "Benchmark")
    answer = client.post(
        f"/api/v1/agents/{agent['id']}/execute", json={"input": {"query": query}, "wait_s": 30}
    )
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()
    return run


def review_of(client: httpx.Client, run: dict[str, Any]) -> dict[str, Any]:
    """Return the pending review of a run."""
    (review,) = client.get("/api/v1/hitl/queue", params={"status": "pending", "run": run["id"]}).json()[
        "results"
    ]
    found: dict[str, Any] = review
    return found


def ended(client: httpx.Client, run: dict[str, Any]) -> dict[str, Any]:
    """Wait until the run has ended."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        now: dict[str, Any] = client.get(f"/api/v1/runs/{run['id']}").json()
        if now["status"] in ENDED:
            return now
        time.sleep(0.02)
    raise AssertionError(f"run is still {now['status']}")


def refunds(stack: Any, order: str) -> list[Any]:
    """Return amount and reason of every refund of an order."""
    query = """
        SELECT amount::float, reason FROM demo_refund r JOIN demo_order o ON o.id = r.order_id WHERE o.order_id = %s
    """
    return list(stack.rows("acme", query, order))


def actions(client: httpx.Client, run: dict[str, Any]) -> list[str]:
    """Return the audit actions of a run, first to last."""
    events = client.get("/api/v1/governance/audit", params={"run": run["id"]}).json()["results"]
    return [event["action"] for event in reversed(events)]


class TestApprove:
    def test_runs_the_approved_call_once_and_the_log_verifies(self, stack: Any) -> None:
        with stack.client("acme", "alice") as alice, stack.client("acme", "bob") as bob:
            run = execute(alice, REQUEST.format(amount="12.50", order="A-1001"))
            assert run["status"] == "waiting"
            assert refunds(stack, "A-1001") == []
            review = review_of(bob, run)
            assert review["arguments"] == {"order_id": "A-1001", "amount": 12.5, "reason": "arrived broken"}
            decision = {"decision": "approve", "version": review["version"], "digest": review["digest"]}
            answer = bob.post(f"/api/v1/hitl/queue/{review['id']}/respond", json=decision)
            assert answer.status_code == 200
            done = ended(alice, run)
            assert done["status"] == "succeeded"
            assert "12.50" in done["output"]["answer"]
            assert refunds(stack, "A-1001") == [(12.5, "arrived broken")]
            again = bob.post(f"/api/v1/hitl/queue/{review['id']}/respond", json=decision)
            assert (again.status_code, again.json()["code"]) == (409, "already-decided")
            assert actions(alice, run)[-4:] == [
                "gate.decided",
                "tool.succeeded",
                "model.replied",
                "run.succeeded",
            ]
        verified = stack.manage("audit", "verify", "--tenant", "acme")
        assert verified.returncode == 0, verified.stderr

    def test_the_requester_cannot_decide(self, stack: Any) -> None:
        with stack.client("acme", "alice") as alice:
            review = review_of(alice, execute(alice, REQUEST.format(amount="1.00", order="A-1006")))
            answer = alice.post(f"/api/v1/hitl/queue/{review['id']}/respond", json={"decision": "approve"})
        assert answer.status_code == 403
        assert refunds(stack, "A-1006") == []


class TestReject:
    def test_the_tool_never_runs_and_the_agent_says_why(self, stack: Any) -> None:
        with stack.client("acme", "alice") as alice, stack.client("acme", "bob") as bob:
            run = execute(alice, REQUEST.format(amount="20.00", order="A-1004"))
            review = review_of(bob, run)
            path = f"/api/v1/hitl/queue/{review['id']}/respond"
            silent = bob.post(path, json={"decision": "reject"})
            assert (silent.status_code, silent.json()["errors"][0]["at"]) == (422, "/message")
            assert bob.post(path, json={"decision": "reject", "message": "No photo of it"}).status_code == 200
            done = ended(alice, run)
            assert done["status"] == "succeeded"
            assert "No photo of it" in done["output"]["answer"]
            assert refunds(stack, "A-1004") == []
            assert "tool.succeeded" not in actions(alice, run)[4:]


class TestEdit:
    def test_runs_the_edited_arguments_and_not_the_proposed(self, stack: Any) -> None:
        clients = [stack.client("acme", name) for name in ("alice", "bob", "rita")]
        with clients[0] as alice, clients[1] as bob, clients[2] as rita:
            run = execute(alice, REQUEST.format(amount="90.00", order="A-1003"))
            review = review_of(bob, run)
            path = f"/api/v1/hitl/queue/{review['id']}/respond"
            bad = bob.post(
                path, json={"decision": "edit", "arguments": {**review["arguments"], "amount": "ten"}}
            )
            assert (bad.status_code, bad.json()["code"]) == (422, "invalid-input")
            edited = {**review["arguments"], "amount": 10}
            answer = bob.post(
                path, json={"decision": "edit", "arguments": edited, "version": review["version"]}
            )
            assert answer.status_code == 200
            assert answer.json()["digest"] != review["digest"]
            changed = {"version": answer.json()["version"], "digest": answer.json()["digest"]}
            own = bob.post(path, json={"decision": "approve", **changed})
            assert (own.status_code, own.json()["code"]) == (403, "permission-denied")
            assert refunds(stack, "A-1003") == []
            assert rita.post(path, json={"decision": "approve", **changed}).status_code == 200
            assert "10.00" in ended(alice, run)["output"]["answer"]
            assert refunds(stack, "A-1003") == [(10.0, "arrived broken")]


class TestGlobex:
    def test_computes_a_bonus_and_mails_it_after_approval(self, stack: Any) -> None:
        with stack.client("globex", "alice") as alice, stack.client("globex", "rita") as rita:
            run = execute(alice, "Calculate a 10% bonus for Dana Whitfield and email her")
            assert run["status"] == "waiting"
            review = review_of(rita, run)
            assert review["tool"] == "send_email"
            assert "6400" in review["arguments"]["body"].replace(",", "")
            rita.post(f"/api/v1/hitl/queue/{review['id']}/respond", json={"decision": "approve"})
            assert ended(alice, run)["status"] == "succeeded"
        sent = stack.rows("globex", 'SELECT "to" FROM demo_sentemail')
        assert ("dana.whitfield@globex.example",) in sent


class TestGrace:
    def test_gets_404_for_everything_of_acme(self, stack: Any) -> None:
        with stack.client("acme", "alice") as alice, stack.client("globex", "alice") as grace:
            run = execute(alice, REQUEST.format(amount="2.00", order="A-1005"))
            review = review_of(alice, run)
            agent = run["agent"]
            got = [
                grace.get(f"/api/v1/runs/{run['id']}"),
                grace.get(f"/api/v1/runs/{run['id']}/steps"),
                grace.post(f"/api/v1/runs/{run['id']}/cancel"),
                grace.get(f"/api/v1/agents/{agent}"),
                grace.post(f"/api/v1/agents/{agent}/execute", json={"input": {"query": "x"}}),
                grace.get(f"/api/v1/hitl/queue/{review['id']}"),
                grace.post(f"/api/v1/hitl/queue/{review['id']}/respond", json={"decision": "approve"}),
            ]
            assert [answer.status_code for answer in got] == [404] * len(got)
            assert grace.get("/api/v1/governance/audit", params={"run": run["id"]}).json()["results"] == []
            stolen = httpx.get(
                f"http://127.0.0.1:{stack.port}/api/v1/runs",
                headers={"Host": stack.host("globex"), "Authorization": alice.headers["Authorization"]},
            )
            assert stolen.status_code == 401


class TestBadInput:
    def test_each_has_its_own_problem_document(self, stack: Any) -> None:
        with stack.client("acme", "alice") as alice, stack.client("nowhere") as nowhere:
            json = {"Content-Type": "application/json"}
            cases = {
                "unknown-tenant": (404, nowhere.get("/api/v1/agents")),
                "parse-error": (400, alice.post("/api/v1/agents", content=b"{not json", headers=json)),
                "unknown-member": (
                    404,
                    alice.post("/api/v1/agents", json={"name": "x", "blueprint": "nope"}),
                ),
                "invalid-input": (
                    422,
                    alice.post(
                        "/api/v1/agents", json={"name": "x", "blueprint": "assistant", "tools": ["nope"]}
                    ),
                ),
                "not-authenticated": (
                    401,
                    httpx.get(
                        nowhere.base_url.join("/api/v1/runs"),
                        headers={"Host": stack.host("acme"), "Authorization": "Bearer " + "0" * 64},
                    ),
                ),
                "login-refused": (
                    401,
                    alice.post("/api/v1/auth/login", json={"username": "alice", "password": "wrong"}),
                ),
            }
        for code, (status, answer) in cases.items():
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert answer.headers["Content-Type"].startswith("application/problem+json")
            assert answer.json()["detail"]

    def test_an_honest_answer_to_what_no_script_covers(self, stack: Any) -> None:
        with stack.client("acme", "alice") as alice:
            run = execute(alice, "Compose a symphony about cheese")
        assert run["status"] == "succeeded"
        assert "stand-in" in run["output"]["answer"]
        assert "OPENAI_API_KEY" in run["output"]["answer"]
