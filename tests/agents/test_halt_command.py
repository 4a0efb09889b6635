"""`manage.py halt`: what an operator types when nothing but the database is up."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agents.halts.models import Halt
from agents.runs.models import Run
from governance.access.models import User
from governance.audit.models import AuditEvent
from tenants.kernel.context import platform_context
from tenants.tenancy.models import PlatformHalt
from tests.governance.samples import NOW

HIDDEN = "loop\u202e\x1b[2J"


@pytest.fixture
def paula(acme: Any) -> None:
    """Let the platform have an operator."""
    with platform_context():
        User.objects.create(username="paula", is_superuser=True, is_staff=True)


def halt(*arguments: str) -> str:
    out = StringIO()
    call_command("halt", *arguments, stdout=out)
    return out.getvalue()


def trip(*arguments: str, reason: str = "It loops") -> str:
    return halt("trip", *arguments, "--reason", reason)


class TestTrip:
    def test_stops_a_tenant_and_lift_lets_it_go_on(self, agent: Any, oscar: Any) -> None:
        run = Run.objects.create(
            agent=agent, agent_version=1, requester=oscar, created_at=NOW, updated_at=NOW,
            snapshot={"agent": agent.name}, input={}, trace_id="",
        )  # fmt: skip
        assert "All agents" in trip("--tenant", "acme", "--by", "oscar")
        run.refresh_from_db()
        assert (run.status, run.pause_reason) == ("paused", "Kill switch: It loops (by oscar)")
        assert "All agents" in halt("lift", "--tenant", "acme", "--by", "alice")
        run.refresh_from_db()
        assert run.status == "queued"
        events = AuditEvent.objects.filter(action__startswith="halt.").order_by("id")
        assert [event.actor_name for event in events] == ["oscar", "alice"]

    def test_stops_one_agent(self, agent: Any) -> None:
        trip("--tenant", "acme", "--agent", agent.name, "--by", "oscar")
        assert Halt.objects.standing().get().agent == agent
        with pytest.raises(CommandError, match="exactly this"):
            halt("lift", "--tenant", "acme", "--by", "oscar")
        halt("lift", "--tenant", "acme", "--agent", agent.name, "--by", "oscar")
        assert not Halt.objects.standing().exists()

    @pytest.mark.parametrize(("more", "schema"), [([], ""), (["acme"], "acme")])
    def test_of_the_platform_stops_all_tenants_or_one(
        self, paula: None, more: list[str], schema: str
    ) -> None:
        trip("--by", "paula", "--platform", *more)
        with platform_context():
            assert [one.schema for one in PlatformHalt.objects.filter(lifted_at=None)] == [schema]
        halt("lift", "--by", "paula", "--platform", *more)
        with platform_context():
            assert not PlatformHalt.objects.filter(lifted_at=None).exists()

    @pytest.mark.parametrize("who", ["vera", "bob", "audrey", "charlie"])
    def test_is_refused_to_who_may_not(self, person: Any, who: str) -> None:
        person(who)
        with pytest.raises(CommandError, match="may not"):
            trip("--tenant", "acme", "--by", who)
        assert not Halt.objects.exists()

    def test_of_the_platform_is_not_for_people_of_a_tenant(self, paula: None, alice: Any) -> None:
        with pytest.raises(CommandError, match="Nobody here"):
            trip("--platform", "--by", alice.username)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--tenant", "nowhere", "--by", "oscar"], "Known: acme, globex"),
            (["--tenant", "public", "--by", "oscar"], "No tenant 'public'"),
            (["--tenant", "acme", "--by", "nobody"], "Nobody here is called 'nobody'"),
            (["--tenant", "acme", "--agent", "Nope", "--by", "oscar"], "Support assistant"),
            (["--platform", "nowhere", "--by", "paula"], "No tenant 'nowhere'"),
            (["--platform", "--agent", "Support assistant", "--by", "paula"], "needs --tenant"),
            (["--tenant", "acme", "--platform", "--by", "oscar"], "not allowed with"),
            (["--by", "oscar"], "required"),
        ],
    )
    def test_says_what_is_wrong(self, paula: None, arguments: list[str], message: str) -> None:
        with pytest.raises(CommandError, match=message):
            trip(*arguments)

    def test_again_is_refused(self, acme: Any) -> None:
        trip("--tenant", "acme", "--by", "oscar")
        with pytest.raises(CommandError, match="stands already"):
            trip("--tenant", "acme", "--by", "alice")
        with pytest.raises(CommandError, match="needs a reason"):
            trip("--tenant", "acme", "--agent", "Support assistant", "--by", "oscar", reason=" ")


class TestList:
    def test_shows_what_stands_on_one_line_each(self, paula: None, agent: Any) -> None:
        assert halt("list") == ""
        trip("--by", "paula", "--platform")
        trip("--tenant", "acme", "--agent", agent.name, "--by", "oscar", reason=HIDDEN)
        platforms, own = (line.split("\t") for line in halt("list").splitlines())
        assert platforms[:4] == ["platform", "All tenants", "It loops", "paula"]
        assert own[:4] == ["acme", agent.name, "loop??[2J", "oscar"]
        assert [line.split("\t")[0] for line in halt("list", "--tenant", "globex").splitlines()] == [
            "platform"
        ]
