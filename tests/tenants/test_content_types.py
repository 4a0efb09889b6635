"""Content types are looked up in the tenant at hand, never in another's cache."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from agents.tools.models import Tool
from governance.access.models import User
from tenants.kernel import contenttypes
from tenants.kernel.context import platform_context, tenant_context
from tenants.kernel.errors import TenantContextMissing


@pytest.fixture
def shifted(acme: Any, globex_tenant: Any) -> Iterator[int]:
    """Give the tool model another content type id at Acme than at Globex, and return Acme's."""
    contenttypes.clear()
    row = ContentType.objects.get(app_label="agents", model="tool")
    Permission.objects.filter(content_type=row).delete()
    row.delete()
    contenttypes.clear()
    yield int(ContentType.objects.get_for_model(Tool).pk)
    contenttypes.clear()  # what was cached is rolled back


class TestCache:
    def test_keeps_tenants_apart(self, shifted: int, globex_tenant: Any) -> None:
        with tenant_context(globex_tenant):
            theirs = ContentType.objects.get_for_model(Tool)
            assert theirs.pk != shifted
            assert ContentType.objects.get_for_id(theirs.pk).model == "tool"
        assert ContentType.objects.get_for_model(Tool).pk == shifted

    def test_keeps_the_platform_apart(self, acme: Any) -> None:
        ours = ContentType.objects.get_for_model(User)
        with platform_context():
            assert ContentType.objects.get_for_model(User) is not ours

    def test_is_a_cache(self, acme: Any, django_assert_num_queries: Any) -> None:
        ContentType.objects.get_for_model(Tool)
        with django_assert_num_queries(0):
            ContentType.objects.get_for_model(Tool)

    def test_survives_a_visit_elsewhere(
        self, acme: Any, globex_tenant: Any, django_assert_num_queries: Any
    ) -> None:
        ours = ContentType.objects.get_for_model(Tool)
        with tenant_context(globex_tenant):
            ContentType.objects.get_for_model(Tool)
        with django_assert_num_queries(0):
            assert ContentType.objects.get_for_model(Tool) is ours

    def test_is_forgotten_on_demand(self, acme: Any) -> None:
        ours = ContentType.objects.get_for_model(Tool)
        contenttypes.clear()
        assert ContentType.objects.get_for_model(Tool) is not ours

    def test_of_no_tenant_holds_nothing(self, acme: Any) -> None:
        contenttypes.clear()
        connection.clear_tenant()  # type: ignore[attr-defined]
        try:
            with pytest.raises(TenantContextMissing):
                ContentType.objects.get_for_model(Tool)
        finally:
            connection.set_tenant(acme)  # type: ignore[attr-defined]


class TestPermissions:
    def test_are_asked_with_the_tenants_own_type(self, shifted: int, agent: Any, oscar: Any) -> None:
        """Rights on the tool model went with its type: nothing of Globex's may stand in for them."""
        from governance.access.permissions import holders

        tool = Tool.objects.get(name="lookup_order")
        found = holders(
            model=Tool, codename="execute_tool", object_pk=tool.pk, users=[oscar.pk, agent.principal_id]
        )
        assert found == set()
