"""Statements of the hot path, prepared once by each connection and planned once by PostgreSQL.

Django binds parameters on the client, so the server parses and plans every statement anew; for the few
statements that each step of a run makes, that costs more than running them. A prepared statement
follows the connection through tenants: PostgreSQL plans it again when the search path has changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import psycopg
from django.db import connection, models

M = TypeVar("M", bound=models.Model)
Parameters = Sequence[Any] | Mapping[str, Any]


def execute(sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """Run the statement in the current tenant and transaction; return its rows, if it gives any.

    Raises TenantContextMissing outside any tenant, and Django's database errors.
    """
    wrapper = cast(Any, connection)
    with wrapper.cursor():  # enters the tenant on this connection
        wrapper.validate_no_broken_transaction()
        with wrapper.wrap_database_errors, psycopg.Cursor(wrapper.connection) as cursor:
            cursor.execute(sql, parameters, prepare=True)
            return cursor.fetchall() if cursor.description else []


def first(model: type[M], condition: str, parameters: Parameters) -> M | None:
    """Return the first row of the model that meets the SQL condition, as the model."""
    fields = model._meta.concrete_fields
    columns = ", ".join(f'"{field.column}"' for field in fields)
    rows = execute(
        f"SELECT {columns} FROM {model._meta.db_table} WHERE {condition} LIMIT 1",  # noqa: S608  # constants
        parameters,
    )
    if not rows:
        return None
    values = [_python(field, value) for field, value in zip(fields, rows[0], strict=True)]
    return model.from_db("default", [field.attname for field in fields], values)


def _python(field: Any, value: Any) -> Any:
    if isinstance(field, models.JSONField):
        return field.from_db_value(value, None, connection)  # type: ignore[arg-type]
    return value
