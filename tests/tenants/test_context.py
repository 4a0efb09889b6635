"""A query belongs to a tenant or is refused."""

import threading
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, transaction

from governance.access.models import User
from tenants.kernel.context import current_schema, platform_context, schema_tenant, tenant_context
from tenants.kernel.errors import TenantContextMissing


class TestMissingContext:
    def test_a_query_raises(self, db: None) -> None:
        with pytest.raises(TenantContextMissing):
            User.objects.count()

    def test_a_cache_access_raises(self, db: None) -> None:
        with pytest.raises(TenantContextMissing):
            cache.get("key")

    def test_leaving_a_context_restores_none(self, db: None) -> None:
        with platform_context():
            assert current_schema() == "public"
        assert current_schema() is None

    def test_entering_a_tenant_as_context_manager_is_refused(self, acme: Any) -> None:
        with pytest.raises(TypeError, match="tenant_context"), acme:
            pass


class TestSwitching:
    def test_nested_contexts_restore_the_outer(self, acme: Any, globex_tenant: Any) -> None:
        with tenant_context(globex_tenant):
            assert current_schema() == "globex"
        assert current_schema() == "acme"

    def test_a_rolled_back_savepoint_does_not_leave_the_wrong_search_path(
        self, acme: Any, globex_tenant: Any
    ) -> None:
        with pytest.raises(RuntimeError), transaction.atomic():
            with tenant_context(globex_tenant):
                User.objects.count()
            raise RuntimeError
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_schema()")
            assert cursor.fetchone() == ("acme",)

    def test_the_cache_keeps_tenants_apart(self, acme: Any, globex_tenant: Any) -> None:
        cache.set("key", "acme's")
        with tenant_context(globex_tenant):
            assert cache.get("key") is None
        assert cache.get("key") == "acme's"

    def test_threads_do_not_see_each_others_tenant(self, acme: Any) -> None:
        seen: list[str | None] = []
        thread = threading.Thread(target=lambda: seen.append(current_schema()))
        thread.start()
        thread.join()
        assert seen == [None]

    def test_many_threads_switching_never_read_another_schema(self, acme: Any) -> None:
        wrong: list[tuple[str, str]] = []

        def work(own: str) -> None:
            for n in range(60):
                schema = own if n % 3 else "public"
                with tenant_context(schema_tenant(schema)), connection.cursor() as cursor:
                    cursor.execute("SELECT current_schema()")
                    found = cursor.fetchone()[0]
                    if found != schema:
                        wrong.append((schema, found))
            connection.close()

        threads = [threading.Thread(target=work, args=(name,)) for name in ("acme", "globex") * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
