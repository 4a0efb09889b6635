"""Roles of a tenant's own: inheritance, cycles, and that nobody gives what they do not have."""

from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from governance.access import roles
from governance.access.custom_roles import inheritance, operations
from governance.access.custom_roles.operations import RoleCycle
from governance.access.models import Role, User
from governance.audit.models import AuditEvent
from tenants.kernel.errors import InvalidInput, PermissionMissing
from tests.governance.samples import NOW


def permission(name: str) -> Permission:
    app, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def rights(role: str) -> set[str]:
    found = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in found}


def save(
    by: Any, name: str = "dispatcher", *own: str, parents: tuple[str, ...] = (), role: Any = None
) -> Role:
    return operations.save_role(
        role=role,
        name=name,
        description="",
        parents=list(Role.objects.filter(name__in=parents)),
        permissions=[permission(one) for one in own],
        by=by,
        now=NOW,
    )


@pytest.fixture
def dora(person: Any) -> Any:
    """Return Dora, who administers and is no superuser."""
    user = person("dora", roles=("admin",))
    user.is_staff = True
    user.save()
    return User.objects.get(pk=user.pk)


class TestBuiltIn:
    def test_roles_inherit_as_stated(self, acme: Any) -> None:
        for role, parents in roles.PARENTS.items():
            for parent in parents:
                assert rights(parent) <= rights(role), (role, parent)

    def test_roles_cannot_be_changed_or_deleted(self, alice: Any) -> None:
        viewer = Role.objects.get(name="viewer")
        with pytest.raises(PermissionMissing, match="built in"):
            save(alice, "viewer", role=viewer)
        with pytest.raises(PermissionMissing, match="built in"):
            operations.delete_role(role=viewer, by=alice, now=NOW)

    def test_roles_are_restored_with_what_inherits_from_them(self, alice: Any) -> None:
        save(alice, "dispatcher", "agents.cancel_run", parents=("viewer",))
        before = rights("dispatcher")
        Group.objects.get(name="dispatcher").permissions.clear()
        roles.sync()
        assert rights("dispatcher") == before


class TestCustom:
    def test_role_has_its_own_and_what_it_inherits(self, alice: Any) -> None:
        role = save(alice, "dispatcher", "agents.cancel_run", parents=("analyst",))
        assert rights("dispatcher") == rights("analyst") | {"agents.cancel_run"}
        sources = operations.sources_of(role)
        assert sources["agents.cancel_run"] == ["dispatcher"]
        assert sources["agents.view_run"] == ["viewer"]
        assert AuditEvent.objects.filter(action="access.role-saved", subject_id="dispatcher").exists()

    def test_role_passes_changes_on_to_what_inherits(self, alice: Any) -> None:
        parent = save(alice, "dispatcher", "agents.cancel_run")
        save(alice, "chief", parents=("dispatcher",))
        save(alice, "dispatcher", "agents.pause_run", role=parent)
        assert rights("chief") == {"agents.pause_run"}

    def test_role_can_be_renamed_with_its_group(self, alice: Any, charlie: Any) -> None:
        role = save(alice, "dispatcher", "agents.cancel_run")
        charlie.groups.add(role.group)
        save(alice, "controller", "agents.cancel_run", role=role)
        assert list(charlie.groups.values_list("name", flat=True)) == ["controller"]

    def test_role_cannot_inherit_from_itself(self, alice: Any) -> None:
        first = save(alice, "first")
        save(alice, "second", parents=("first",))
        save(alice, "third", parents=("second",))
        with pytest.raises(RoleCycle, match="first → third → second → first"):
            save(alice, "first", parents=("third",), role=first)
        with pytest.raises(RoleCycle):
            save(alice, "first", parents=("first",), role=first)

    def test_role_needs_a_name_of_its_own(self, alice: Any) -> None:
        for name in ("viewer", "", "  "):
            with pytest.raises(InvalidInput, match="name"):
                save(alice, name)

    def test_role_that_others_inherit_from_stays(self, alice: Any) -> None:
        first = save(alice, "first")
        second = save(alice, "second", parents=("first",))
        with pytest.raises(InvalidInput, match="second inherits"):
            operations.delete_role(role=first, by=alice, now=NOW)
        operations.delete_role(role=second, by=alice, now=NOW)
        assert not Group.objects.filter(name="second").exists()

    def test_role_gives_no_more_than_its_author_has(self, person: Any) -> None:
        maker = person("maker", "governance.add_role", "agents.cancel_run", roles=("viewer",))
        save(maker, "dispatcher", "agents.cancel_run", parents=("viewer",))
        with pytest.raises(PermissionMissing, match=r"do not have: agents\.pause_run"):
            save(maker, "chief", "agents.pause_run")
        with pytest.raises(PermissionMissing):
            save(maker, "boss", parents=("admin",))


class TestAssign:
    def give(self, by: Any, user: Any, role: str, *, remove: bool = False) -> None:
        found = Role.objects.get(name=role)
        operations.assign(user=user, role=found, remove=remove, by=by, now=timezone.now())

    def test_gives_and_takes(self, dora: Any, charlie: Any) -> None:
        self.give(dora, charlie, "viewer")
        assert User.objects.get(pk=charlie.pk).has_perm("agents.view_run")
        self.give(dora, charlie, "viewer", remove=True)
        assert not User.objects.get(pk=charlie.pk).has_perm("agents.view_run")
        actions = (
            AuditEvent.objects.filter(subject_id="charlie").order_by("id").values_list("action", flat=True)
        )
        assert list(actions) == ["access.role-assigned", "access.role-removed"]

    def test_is_not_for_oneself(self, dora: Any, alice: Any) -> None:
        for who in (dora, alice):
            with pytest.raises(PermissionMissing, match="Nobody changes their own roles"):
                self.give(who, who, "auditor")

    def test_gives_nothing_that_the_giver_lacks(self, person: Any, charlie: Any) -> None:
        clerk = person("clerk", "governance.change_user", roles=("operator",))
        self.give(clerk, charlie, "viewer")
        for role in ("reviewer", "auditor", "admin"):
            with pytest.raises(PermissionMissing, match="do not have"):
                self.give(clerk, charlie, role)
            with pytest.raises(PermissionMissing, match="do not have"):
                self.give(clerk, charlie, role, remove=True)

    def test_leaves_superusers_and_agents_alone(self, dora: Any, alice: Any, agent: Any) -> None:
        with pytest.raises(PermissionMissing, match="superuser"):
            self.give(dora, alice, "admin", remove=True)
        with pytest.raises(PermissionMissing, match="Agents have no roles"):
            self.give(dora, agent.principal, "admin")

    def test_over_http(self, dora: Any, charlie: Any, oscar: Any, client_of: Any) -> None:
        path = "/api/v1/governance/roles/assign"
        body = {"user": "charlie", "role": "viewer"}
        assert client_of(oscar).post(path, body, format="json").status_code == 403
        assert client_of(dora).post(path, body, format="json").json() == {**body, "remove": False}
        wrong = client_of(dora).post(path, {"user": "charlie", "role": "boss"}, format="json")
        assert wrong.status_code == 422 and wrong.json()["errors"][0]["at"] == "/role"
        nobody = client_of(dora).post(path, {"user": "nobody", "role": "viewer"}, format="json")
        assert nobody.status_code == 422 and nobody.json()["errors"][0]["at"] == "/user"

    def test_lists_what_each_role_has_and_from_where(self, dora: Any, client_of: Any) -> None:
        found = client_of(dora).get("/api/v1/governance/roles").json()["results"]
        operator = next(role for role in found if role["name"] == "operator")
        assert operator["parents"] == ["analyst"] and operator["built_in"]
        assert "agents.execute_tool" in operator["permissions"]
        assert operator["inherited"]["agents.view_run"] == ["viewer"]


class TestPages:
    def browser(self, user: Any) -> Client:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(user, backend="governance.access.backends.PeopleBackend")
        return client

    def test_make_a_role(self, dora: Any) -> None:
        viewer = Role.objects.get(name="viewer")
        cancel = permission("agents.cancel_run")
        given = {
            "name": "dispatcher",
            "description": "Stops runs",
            "parents": [viewer.pk],
            "agents": [cancel.pk],
        }
        made = self.browser(dora).post("/admin/governance/role/add/", given)
        assert made.status_code == 302
        role = Role.objects.get(name="dispatcher")
        assert rights("dispatcher") == rights("viewer") | {"agents.cancel_run"}
        page = self.browser(dora).get(f"/admin/governance/role/{role.pk}/change/").content.decode()
        assert "from viewer" in page and "view run" in page

    def test_name_a_cycle(self, alice: Any) -> None:
        first = save(alice, "first")
        second = save(alice, "second", parents=("first",))
        given = {"name": "first", "description": "", "parents": [second.pk]}
        page = self.browser(alice).post(f"/admin/governance/role/{first.pk}/change/", given)
        assert page.status_code == 200
        assert "first → second → first" in page.content.decode()

    def test_show_built_in_roles_without_a_form(self, dora: Any) -> None:
        admin = Role.objects.get(name="admin")
        page = self.browser(dora).get(f"/admin/governance/role/{admin.pk}/change/").content.decode()
        assert "from operator" in page and 'name="_save"' not in page
        url = f"/admin/governance/role/{admin.pk}/change/"
        assert self.browser(dora).post(url, {"name": "admin"}).status_code == 403

    def test_leave_the_group_of_a_role_alone(self, alice: Any) -> None:
        group = Group.objects.get(name="viewer")
        given = {"name": "viewer", "permissions": [permission("agents.cancel_run").pk]}
        page = self.browser(alice).post(f"/admin/auth/group/{group.pk}/change/", given)
        assert page.status_code == 403


NAMES = st.sampled_from("abcdef")


class TestInheritance:
    @given(
        parents=st.dictionaries(NAMES, st.sets(NAMES, max_size=3)), own=st.dictionaries(NAMES, st.sets(NAMES))
    )
    def test_gives_each_role_what_those_it_inherits_from_have(self, parents: Any, own: Any) -> None:
        if inheritance.cycle(parents):
            return
        for role in parents:
            whole = inheritance.sources(role, parents=parents, own=own)
            for parent in parents[role]:
                assert set(inheritance.sources(parent, parents=parents, own=own)) <= set(whole)
            assert own.get(role, set()) <= set(whole)

    @given(parents=st.dictionaries(NAMES, st.sets(NAMES, max_size=3)))
    def test_finds_circles_that_are_circles(self, parents: Any) -> None:
        circle = inheritance.cycle(parents)
        if circle:
            assert circle[0] == circle[-1]
            assert all(after in parents[before] for before, after in pairwise(circle))
