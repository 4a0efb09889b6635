"""Keep a tenant's tool rows in step with the tools that exist in code."""

import logging
from typing import Any

from django.db import connection

from agents.tools.models import Tool
from agents.tools.operations import quarantine
from agents.tools.registry import REGISTRY, spec_of
from tenants.kernel.context import PUBLIC

logger = logging.getLogger(__name__)


def on_schema_ready(schema: str, **_kwargs: Any) -> None:
    """Sync a new or migrated tenant schema; the platform schema has no tools."""
    if schema != PUBLIC and Tool._meta.db_table in connection.introspection.table_names():
        sync()


def described() -> str:
    """Return every registered tool with its definition, for the schema fingerprint."""
    return "\n".join(f"{name}: {spec_of(name).schema_version}" for name in REGISTRY)


def sync() -> None:
    """Add missing tools, and quarantine those whose definition changed until an admin looks at them.

    Risk, effect and `enabled` of an unchanged row belong to the tenant's admin and are kept, and what the
    code vouches for as far as the admin does too.
    """
    rows = {row.name: row for row in Tool.objects.filter(source=Tool.Source.PYTHON)}
    taken = set(Tool.objects.exclude(source=Tool.Source.PYTHON).values_list("name", flat=True))
    specs = [spec_of(name) for name in REGISTRY if name not in taken]
    for name in taken.intersection(REGISTRY):
        logger.warning("The Python tool %s is left out: a tool from elsewhere has its name", name)
    new = [spec for spec in specs if spec.name not in rows]
    for spec in specs:
        row = rows.pop(spec.name, None)
        definition = {
            "description": spec.description,
            "parameters": spec.parameters,
            "output_schema": spec.output_schema,
            "schema_version": spec.schema_version,
        }
        if row is None:
            vouched = {"reversible": spec.reversible, "output_trusted": spec.output_trusted}
            limits = {"timeout_s": spec.timeout_s, "max_attempts": spec.max_attempts}
            Tool.objects.create(
                name=spec.name, risk=spec.risk, effect=spec.effect, **vouched, **limits, **definition
            )
        elif row.schema_version != spec.schema_version:
            quarantine(tool=row, why="Its code declares it differently now.", fields=definition)
        else:
            _withdraw(row, reversible=spec.reversible, output_trusted=spec.output_trusted)
    for spec in new:
        if spec.fallback:
            Tool.objects.filter(name=spec.name).update(fallback=Tool.objects.get(name=spec.fallback))
    for gone in rows.values():
        gone.enabled = False
        gone.save()
        _withdraw(gone)


def _withdraw(row: Tool, *, reversible: bool = False, output_trusted: bool = False) -> None:
    """Take back what the tool's code does not vouch for any more."""
    kept = (row.reversible and reversible, row.output_trusted and output_trusted)
    if kept != (row.reversible, row.output_trusted):
        row.reversible, row.output_trusted = kept
        row.save(update_fields=["reversible", "output_trusted"])
