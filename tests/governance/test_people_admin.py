"""The admin lets nobody rise: not by a form, not through somebody else's account, not over the evidence."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from knox.models import AuthToken

from governance.access.models import User
from governance.audit.models import AuditEvent


@pytest.fixture
def dora(person: Any) -> Any:
    """Return Dora, who administers and is no superuser."""
    user = person("dora", roles=("admin",))
    user.is_staff = True
    user.save()
    return user


def browser(user: Any) -> Client:
    client = Client(headers={"host": "acme.localhost"})
    client.force_login(user)
    return client


def fields(user: Any, **more: Any) -> dict[str, Any]:
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    return {"username": user.username, "is_active": "on", **joined, **more}


def change(user: Any) -> str:
    return f"/admin/governance/user/{user.pk}/change/"


class TestRising:
    @pytest.mark.parametrize("flag", ["is_superuser", "is_staff"])
    def test_by_a_box_that_is_not_shown_is_ignored(self, dora: Any, charlie: Any, flag: str) -> None:
        browser(dora).post(change(charlie), fields(charlie, **{flag: "on"}))
        assert getattr(User.objects.get(pk=charlie.pk), flag) is False

    def test_by_a_role_or_a_permission_is_ignored(self, dora: Any, charlie: Any) -> None:
        admin = Group.objects.get(name="admin")
        browser(dora).post(change(charlie), fields(charlie, groups=[admin.pk], user_permissions=[1]))
        charlie = User.objects.get(pk=charlie.pk)
        assert (charlie.groups.count(), charlie.user_permissions.count()) == (0, 0)

    def test_by_changing_oneself_is_ignored(self, dora: Any) -> None:
        browser(dora).post(change(dora), fields(dora, is_superuser="on"))
        assert not User.objects.get(pk=dora.pk).is_superuser

    def test_through_a_superusers_account_is_refused(self, dora: Any, alice: Any) -> None:
        assert browser(dora).post(change(alice), fields(alice, email="dora@example.com")).status_code == 403
        assert User.objects.get(pk=alice.pk).email == alice.email

    @pytest.mark.parametrize("who", ["alice", "bob", "charlie"])
    def test_through_somebody_elses_password_is_refused(self, dora: Any, person: Any, who: str) -> None:
        user = person(who)
        path = f"/admin/governance/user/{user.pk}/password/"
        given = {"password1": "a new password", "password2": "a new password", "usable_password": "true"}
        assert browser(dora).post(path, given).status_code == 403
        assert User.objects.get(pk=user.pk).password == user.password

    def test_through_an_agents_identity_is_refused_even_to_superusers(self, alice: Any, agent: Any) -> None:
        response = browser(alice).post(change(agent.principal), fields(agent.principal, is_superuser="on"))
        assert response.status_code == 403

    def test_through_a_new_token_is_refused(self, alice: Any, bob: Any) -> None:
        before = AuthToken.objects.count()
        assert browser(alice).post("/admin/knox/authtoken/add/", {"user": bob.pk}).status_code in {403, 404}
        assert AuthToken.objects.count() == before

    def test_in_roles_is_for_superusers(self, dora: Any) -> None:
        group = Group.objects.get(name="viewer")
        before = set(group.permissions.values_list("pk", flat=True))
        browser(dora).post(
            f"/admin/auth/group/{group.pk}/change/", {"name": "viewer", "permissions": [1, 2, 3]}
        )
        assert set(group.permissions.values_list("pk", flat=True)) == before


class TestEvidence:
    MODELS = ("governance/auditevent", "governance/auditcheckpoint", "hitl/review", "agents/run")

    @pytest.mark.parametrize("model", MODELS)
    def test_is_not_added_to(self, alice: Any, model: str) -> None:
        assert browser(alice).post(f"/admin/{model}/add/", {}).status_code == 403

    @pytest.mark.parametrize("model", MODELS)
    def test_has_no_action_that_deletes(self, alice: Any, model: str) -> None:
        before = AuditEvent.objects.count()
        key = AuditEvent.objects.latest("id").pk
        browser(alice).post(
            f"/admin/{model}/", {"action": "delete_selected", "_selected_action": [key], "post": "yes"}
        )
        assert AuditEvent.objects.count() >= before

    def test_is_not_changed_or_deleted(self, alice: Any) -> None:
        event = AuditEvent.objects.latest("id")
        for page in ("change", "delete"):
            path = f"/admin/governance/auditevent/{event.pk}/{page}/"
            assert browser(alice).post(path, {"action": "x", "post": "yes"}).status_code == 403
        assert AuditEvent.objects.get(pk=event.pk).is_intact()

    def test_of_changed_configuration_is_not_deleted(self, alice: Any, charlie: Any) -> None:
        from auditlog.models import LogEntry

        entry = LogEntry.objects.latest("id")
        browser(alice).post(f"/admin/auditlog/logentry/{entry.pk}/delete/", {"post": "yes"})
        assert LogEntry.objects.filter(pk=entry.pk).exists()


class TestWhoMayEnter:
    @pytest.mark.parametrize("who", ["charlie", "anonymous"])
    def test_not_those_who_are_not_staff(self, acme: Any, person: Any, who: str) -> None:
        client = Client(headers={"host": "acme.localhost"})
        if who != "anonymous":
            client.force_login(person(who))
        for path in ("/admin/", "/admin/governance/user/", "/admin/agents/tool/"):
            assert client.get(path)["Location"].startswith("/admin/login/")

    def test_only_what_their_role_shows(self, bob: Any) -> None:
        client = browser(bob)
        assert client.get("/admin/hitl/review/").status_code == 200
        for path in (
            "governance/user",
            "governance/auditevent",
            "auth/group",
            "knox/authtoken",
            "auditlog/logentry",
        ):
            assert client.get(f"/admin/{path}/").status_code == 403, path


class TestPasswords:
    def test_that_are_new_end_the_sessions_of_the_old(self, bob: Any, client_of: Any) -> None:
        _, token = AuthToken.objects.create(bob)
        headers = {"Authorization": f"Bearer {token}"}
        assert client_of().get("/api/v1/agents", headers=headers).status_code == 200
        page = browser(bob)
        bob.set_password("another one")
        bob.save()
        assert client_of().get("/api/v1/agents", headers=headers).status_code == 401
        assert page.get("/")["Location"].startswith("/login/")

    def test_are_on_no_record(self, bob: Any) -> None:
        bob.set_password("correct horse battery staple")
        bob.save()
        event = AuditEvent.objects.filter(action="config.changed", subject_kind="user").latest("id")
        assert bob.password not in str(event.body)
        assert "horse" not in str(event.body)


class TestAgentTokens:
    def test_are_refused(self, agent: Any, client_of: Any) -> None:
        _, token = AuthToken.objects.create(agent.principal)
        assert (
            client_of().get("/api/v1/agents", headers={"Authorization": f"Bearer {token}"}).status_code == 401
        )
