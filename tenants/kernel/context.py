"""Enter and leave tenant contexts. These are the only ways in.

django-tenants' own `with tenant:` keeps the previous tenant in a class attribute and leaks between
threads, and its context managers restore `public` where there was no tenant before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

from django.db import connection

from tenants.kernel.errors import TenantContextMissing

PUBLIC = "public"


class HasSchema(Protocol):
    """Anything that names a tenant's schema."""

    @property
    def schema_name(self) -> str:
        """The PostgreSQL schema."""


@dataclass(frozen=True)
class SchemaRef:
    """A tenant known by its schema alone."""

    schema_name: str


@contextmanager
def tenant_context(tenant: HasSchema) -> Iterator[None]:
    """Run queries of this thread in the tenant's schema; restore what was before, even if that was nothing."""
    wrapper = cast(Any, connection)
    previous = wrapper.tenant
    wrapper.set_tenant(tenant)
    try:
        yield
    finally:
        if previous is None:
            wrapper.clear_tenant()
        else:
            wrapper.set_tenant(previous)


def schema_tenant(schema: str) -> HasSchema:
    """Name a schema where a tenant is asked for, for code that has no Tenant row at hand."""
    return SchemaRef(schema)


@contextmanager
def platform_context() -> Iterator[None]:
    """Run queries of this thread in the platform's schema, said aloud."""
    with tenant_context(schema_tenant(PUBLIC)):
        yield


def current_schema() -> str | None:
    """Return the schema of the current context, or None outside any."""
    return cast("str | None", cast(Any, connection).schema_name)


def require_schema() -> str:
    """Return the schema of the current context; raise TenantContextMissing outside any."""
    schema = current_schema()
    if schema is None:
        raise TenantContextMissing
    return schema


def cache_key(key: str, prefix: str, version: int) -> str:
    """Build a cache key that carries the tenant; raise outside any context rather than share an entry."""
    return f"{require_schema()}:{prefix}:{version}:{key}"
