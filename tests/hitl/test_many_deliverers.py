"""Several workers empty one outbox, with real commits: each message once, and no transaction over the network."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection

from governance.access.models import User
from hitl.notifications import delivery, operations
from hitl.notifications.models import Notification
from hitl.notifications.types import Status
from tenants.kernel.context import schema_tenant, tenant_context
from tests.conftest import owner_url
from tests.governance.clones import own_database
from tests.governance.samples import NOW
from tests.hitl.outbox import SECRET, contact, endpoint, rule, slack_app
from tests.tenants.sinks import Target, answer, listening

WORKERS, MESSAGES = 4, 2000
ACME = schema_tenant("acme")


@pytest.fixture(scope="module")
def database(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Give the module a database of its own, where what it writes is committed."""
    with own_database(django_db_blocker) as name:
        yield name


@pytest.fixture
def server(settings: Any) -> Iterator[Target]:
    """Answer everything with success, as Slack does."""
    settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.1/32"]
    with listening() as target:
        target.reply = lambda handler: answer(handler, 200, b'{"ok": true}')
        yield target


@contextmanager
def workers(problems: list[Exception]) -> Iterator[None]:
    """Run several deliverers until nothing is due."""

    def work() -> None:
        try:
            with tenant_context(ACME):
                delivery.deliver(now=NOW, limit=MESSAGES)
        except Exception as error:  # noqa: BLE001  # what a thread raised is asserted on
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def in_acme() -> Any:
    return tenant_context(ACME)


class TestManyDeliverers:
    def test_send_each_of_2000_messages_exactly_once(self, database: str, server: Target) -> None:
        with in_acme():
            hook = endpoint("webhook", User.objects.get(username="alice"), url=server.url, secrets=SECRET)
            for n in range(MESSAGES):
                operations.notify_tenant(
                    review=None, kind="escalation", subject=f"{n}", text="", dedup=f"d{n}", now=NOW
                )
        problems: list[Exception] = []
        start = time.monotonic()
        with workers(problems):
            pass
        seconds = time.monotonic() - start
        print(f"{MESSAGES} messages by {WORKERS} deliverers in {seconds:.1f} s")
        assert problems == []
        ids = Counter(seen["headers"]["webhook-id"] for seen in server.seen)
        assert (len(ids), set(ids.values())) == (MESSAGES, {1})
        with in_acme():
            mine = Notification.objects.filter(endpoint=hook)
            assert mine.filter(status=Status.SENT, attempts=1).count() == MESSAGES

    def test_hold_no_transaction_while_they_send(self, database: str, server: Target) -> None:
        open_ones: list[int] = []
        watcher = psycopg.connect(owner_url(database), autocommit=True)

        def look(handler: Any) -> None:
            row = watcher.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND xact_start IS NOT NULL"
                " AND pid <> pg_backend_pid()",
                [database],
            ).fetchone()
            open_ones.append(int(row[0]) if row else -1)
            answer(handler, 200, b"{}")

        server.reply = look
        with in_acme():
            endpoint("webhook", User.objects.get(username="alice"), "Watched", url=server.url, secrets=SECRET)
            operations.notify_tenant(
                review=None, kind="escalation", subject="one", text="", dedup="watched", now=NOW
            )
            delivery.deliver(now=NOW)
        watcher.close()
        assert set(open_ones) == {0}

    def test_bundle_for_a_person_in_one_message(self, database: str, server: Target) -> None:
        with in_acme():
            alice, bob = (User.objects.get(username=name) for name in ("alice", "bob"))
            rule(bob, contact(bob, "slack", "U0123456", slack_app(alice, f"{server.url}/", "Shared")))
            for n in range(50):
                operations.notify(
                    recipients=[bob], review=None, kind="x", importance="default", subject=f"{n}", text="",
                    dedup=f"b{n}", now=NOW,
                )  # fmt: skip
        problems: list[Exception] = []
        with workers(problems):
            pass
        assert problems == []
        assert len([seen for seen in server.seen if seen["path"] == "/chat.postMessage"]) == 1
        with in_acme():
            found = Counter(Notification.objects.filter(recipient=bob).values_list("status", flat=True))
            assert (found[Status.SENT], found[Status.BUNDLED]) == (1, 49)
