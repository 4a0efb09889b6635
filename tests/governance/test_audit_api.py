"""The audit log over HTTP: asked by what matters, in pages, and provable from what it shows."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import Actor, Subject, UserRef
from tenants.kernel.models import uuid7
from tests.governance.samples import NOW

AUDIT = "/api/v1/governance/audit"


@pytest.fixture
def client(person: Any, client_of: Any) -> Any:
    """Return Audrey's client."""
    return client_of(person("audrey"))


def record(**more: Any) -> str:
    (event,) = audit.record(Entry(at=NOW, **{"action": "sample.written", **more}))
    return str(event.pk)


def asked(client: Any, **question: Any) -> list[str]:
    return [
        item["id"] for item in client.get(AUDIT, {"action": "sample.written", **question}).json()["results"]
    ]


class TestEvents:
    def test_show_what_was_recorded(self, client: Any) -> None:
        run = str(uuid7())
        key = record(
            actor=Actor(kind="person", id="1", name="bob"),
            user=UserRef(id=4, name="oscar"),
            agent_name="Robot",
            run_id=run,
            subject=Subject(kind="tool", id="x"),
            body={"n": 1},
        )
        shown = client.get(f"{AUDIT}/{key}").json()
        assert (shown["actor_name"], shown["user_name"], shown["agent_name"]) == ("bob", "oscar", "Robot")
        assert (shown["run_id"], shown["subject_id"], shown["body"]) == (run, "x", {"n": 1})

    def test_can_be_proved_by_anybody_from_what_is_shown(self, client: Any) -> None:
        """RFC 8785 of every column but the digest, as an RFC 6962 leaf: plain JSON does for plain values."""
        shown = client.get(f"{AUDIT}/{record(body={'n': 1})}").json()
        digest = shown.pop("digest")
        shown["at"] = NOW.isoformat(timespec="microseconds")
        canonical = json.dumps(shown, sort_keys=True, separators=(",", ":")).encode()
        assert hashlib.sha256(b"\x00" + canonical).hexdigest() == digest

    def test_can_be_asked_for(self, client: Any) -> None:
        run = str(uuid7())
        oscar, subject = UserRef(id=4, name="oscar"), Subject(kind="k", id="1")
        mine = record(run_id=run, outcome="ok", user=oscar, agent_name="Robot", subject=subject)
        other = record(outcome="error")
        for question in (
            {"run": run},
            {"user": "oscar"},
            {"agent": "Robot"},
            {"outcome": "ok"},
            {"subject_kind": "k"},
            {"subject_id": "1"},
        ):
            assert asked(client, **question) == [mine], question
        assert asked(client) == [other, mine]

    def test_can_be_asked_for_by_time(self, client: Any) -> None:
        key = record()
        later = (NOW + timedelta(microseconds=1)).isoformat()
        assert asked(client, since=NOW.isoformat()) == [key]
        assert asked(client, since=later) == []
        assert asked(client, until=NOW.isoformat()) == []
        assert asked(client, until=later) == [key]

    def test_come_newest_first_in_pages_that_new_events_do_not_shift(self, client: Any) -> None:
        keys = [record() for _ in range(5)]
        first = client.get(AUDIT, {"action": "sample.written", "page_size": 2}).json()
        record()
        second = client.get(first["next"]).json()
        seen = [item["id"] for page in (first, second) for item in page["results"]]
        assert seen == keys[:0:-1]
        assert [item["id"] for item in client.get(second["previous"]).json()["results"]] == keys[:2:-1]

    def test_come_two_hundred_at_most(self, client: Any) -> None:
        audit.record(*[Entry(at=NOW, action="sample.written")] * 210)
        assert len(client.get(AUDIT, {"page_size": 1000}).json()["results"]) == 200

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_are_changed_by_nobody(self, client: Any, alice: Any, client_of: Any, method: str) -> None:
        key = record()
        for caller in (client, client_of(alice)):
            for path in (AUDIT, f"{AUDIT}/{key}", f"{AUDIT}/checkpoints"):
                assert getattr(caller, method)(path, {}, format="json").status_code in {403, 405}
        assert asked(client) == [key]


class TestCheckpoints:
    def test_are_signed_notes_newest_first(self, client: Any) -> None:
        for _ in range(2):
            record()
            audit.seal(now=NOW)
        newest, older = client.get(f"{AUDIT}/checkpoints").json()["results"][:2]
        assert newest["size"] > older["size"]
        assert newest["note"].splitlines()[:2] == ["countersign/acme", str(newest["size"])]
