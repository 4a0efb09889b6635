"""A database connection belongs to a tenant or refuses to work."""

from typing import Any

from django.utils.functional import cached_property
from django_tenants.postgresql_backend import base as upstream

from tenants.kernel.errors import TenantContextMissing


class DatabaseWrapper(upstream.DatabaseWrapper):  # type: ignore[misc]  # untyped upstream
    """Start with no tenant and raise TenantContextMissing on the first query without one.

    Upstream starts every connection in `public`, so code that forgot its tenant would quietly read
    and write the platform's rows.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clear_tenant()

    def clear_tenant(self) -> None:
        """Forget the tenant; the next query raises."""
        self.tenant = None
        self.schema_name = None
        self.search_path_set_schemas = None

    @cached_property
    def pg_version(self) -> int:
        """Return the server's version number, which belongs to no tenant."""
        self.ensure_connection()
        return int(self.connection.info.server_version)

    def _cursor(self, name: str | None = None) -> Any:
        if self.schema_name is None:
            raise TenantContextMissing
        return super()._cursor(name=name)
