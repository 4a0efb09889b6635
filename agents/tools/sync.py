"""Keep a tenant's tool rows in step with the tools that exist in code."""

from typing import Any

from django.db import connection

from agents.tools.models import Tool
from agents.tools.registry import REGISTRY, spec_of
from tenants.kernel.context import PUBLIC


def on_schema_ready(schema: str, **_kwargs: Any) -> None:
    """Sync a new or migrated tenant schema; the platform schema has no tools."""
    if schema != PUBLIC and Tool._meta.db_table in connection.introspection.table_names():
        sync()


def described() -> str:
    """Return every registered tool with its definition, for the schema fingerprint."""
    return "\n".join(f"{name}: {spec_of(name).schema_version}" for name in REGISTRY)


def sync() -> None:
    """Add missing tools, and disable those whose definition changed until an admin looks at them.

    Risk, effect and `enabled` of an existing row belong to the tenant's admin and are kept.
    """
    rows = {row.name: row for row in Tool.objects.filter(source=Tool.Source.PYTHON)}
    for name in REGISTRY:
        spec = spec_of(name)
        row = rows.pop(name, None)
        definition = {
            "description": spec.description,
            "parameters": spec.parameters,
            "schema_version": spec.schema_version,
        }
        if row is None:
            Tool.objects.create(name=name, risk=spec.risk, effect=spec.effect, **definition)
        elif row.schema_version != spec.schema_version:
            for field, value in {**definition, "enabled": False}.items():
                setattr(row, field, value)
            row.save()
    for gone in rows.values():
        gone.enabled = False
        gone.save()
