"""A flag is a tenant's own, counts at once, and is on record."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient
from waffle.models import Flag

from governance.access.models import User
from governance.audit.models import AuditEvent
from tenants.flags.operations import FlagOff, ensure_on
from tenants.flags.registry import FLAGS
from tenants.kernel.context import platform_context, schema_tenant, tenant_context

FLAGS_URL = "/api/v1/flags"
BATCH = "/api/v1/hitl/queue/batch"
BODY = {
    "decision": "approve",
    "items": [{"id": "00000000-0000-7000-8000-000000000000", "version": 1, "digest": "0"}],
}


@pytest.fixture
def platforms(db: None) -> Callable[[bool], None]:
    """Return a function with which the platform says what holds where a tenant said nothing."""

    def say(everyone: bool) -> None:
        with platform_context():
            Flag.objects.update_or_create(name="batch_decisions", defaults={"everyone": everyone})

    return say


def switch(everyone: bool | None, **more: Any) -> Flag:
    flag, _ = Flag.objects.update_or_create(
        name="batch_decisions", defaults={"everyone": everyone, "superusers": False, **more}
    )
    assert isinstance(flag, Flag)
    return flag


def seen(client: APIClient) -> dict[str, bool]:
    return {one["name"]: one["on"] for one in client.get(FLAGS_URL).json()}


class TestFlag:
    def test_is_what_the_code_says_where_nobody_said_anything(self, bob: Any, client_of: Any) -> None:
        assert seen(client_of(bob)) == {name: flag.default for name, flag in FLAGS.items()}

    def test_is_a_tenants_own_and_counts_at_once(self, bob: Any, client_of: Any) -> None:
        client = client_of(bob)
        assert client.post(BATCH, BODY, format="json").status_code == 200
        switch(False)
        assert (seen(client), client.post(BATCH, BODY, format="json").status_code) == (
            {"batch_decisions": False},
            404,
        )
        with tenant_context(schema_tenant("globex")):
            theirs = User.objects.get(username="bob")
        other = APIClient(headers={"host": "globex.localhost"})
        other.force_authenticate(theirs)
        assert seen(other) == {"batch_decisions": True}
        switch(True)
        assert seen(client) == {"batch_decisions": True}

    def test_can_be_on_for_some(self, bob: Any, rita: Any, client_of: Any) -> None:
        switch(None).users.add(bob)
        assert (seen(client_of(bob)), seen(client_of(rita))) == (
            {"batch_decisions": True},
            {"batch_decisions": False},
        )

    def test_is_the_platforms_where_the_tenant_said_nothing(
        self, bob: Any, client_of: Any, platforms: Callable[[bool], None]
    ) -> None:
        platforms(False)
        assert seen(client_of(bob)) == {"batch_decisions": False}
        switch(True)
        assert seen(client_of(bob)) == {"batch_decisions": True}

    def test_needs_no_redis(self, bob: Any, client_of: Any, settings: Any) -> None:
        nowhere = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
        settings.CACHES = {**settings.CACHES, "default": nowhere}
        switch(False)
        assert seen(client_of(bob)) == {"batch_decisions": False}

    def test_that_does_not_exist_is_a_mistake_of_the_code(self, acme: Any) -> None:
        with pytest.raises(KeyError):
            ensure_on("gold", object())

    def test_that_is_off_is_no_page(self, acme: Any) -> None:
        switch(False)
        with pytest.raises(FlagOff):
            ensure_on("batch_decisions", object())


class TestAdmin:
    def send(self, who: Any, everyone: str) -> Any:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(who)
        form = {"name": "batch_decisions", "everyone": everyone, "note": "Four eyes on each."}
        return client.post("/admin/waffle/flag/add/", form)

    def test_switches_on_record(self, alice: Any) -> None:
        assert self.send(alice, "false").status_code == 302
        event = AuditEvent.objects.filter(action="config.changed", subject_kind="flag").latest("id")
        assert (event.actor_name, event.body["object"]) == ("alice", "batch_decisions")

    def test_is_for_those_who_may(self, person: Any) -> None:
        oscar = person("oscar")
        assert self.send(oscar, "false").status_code == 403
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(oscar)
        assert client.get("/admin/waffle/flag/").status_code == 200
        assert client.get("/admin/waffle/switch/").status_code == 404
