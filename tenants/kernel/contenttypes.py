"""Keep Django's content type cache per schema.

The cache is one per process while content type ids differ between schemas, so a look-up could bind
permissions to another tenant's id of the same model (django-tenants#290).
"""

from typing import Any

from django.contrib.contenttypes.models import ContentType, ContentTypeManager
from django.db import connection
from django.db.models.signals import post_migrate


def _cache_of_schema(manager: Any) -> dict[Any, Any]:
    by_schema: dict[Any, Any] = manager.__dict__.setdefault("_by_schema", {})
    schema = connection.schema_name  # type: ignore[attr-defined]
    cache: dict[Any, Any] = by_schema.setdefault(schema, {})
    return cache


def _reset(manager: Any, _value: object) -> None:
    manager.__dict__["_by_schema"] = {}


def clear(**_kwargs: object) -> None:
    """Forget every schema's content types, after migrations or when a tenant is dropped."""
    ContentType.objects.__dict__.get("_by_schema", {}).clear()


def install() -> None:
    """Replace the process-wide cache; called once when apps are ready."""
    manager: Any = ContentTypeManager
    manager._cache = property(_cache_of_schema, _reset)
    # set_tenant() clears the cache on every switch, from inside the connection's constructor too.
    manager.clear_cache = lambda self: None
    ContentType.objects.__dict__.pop("_cache", None)
    post_migrate.connect(clear, weak=False)
