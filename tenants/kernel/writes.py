"""Write the rows of one transaction in one statement.

Inside `batched()`, inserts and guarded updates of single rows are collected and sent together when the
block ends, before the commit: a step of a run writes four rows in one round trip instead of four.
Rows written here are not seen by queries of the same transaction until then.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import DatabaseError, models
from psycopg.types.json import Jsonb

from tenants.kernel import prepared
from tenants.kernel.errors import DomainError, StaleTransition

_local = threading.local()
CONNECTION_LOST = ("08", "57")
"""Classes of SQLSTATE that say nothing about a table: the connection or the server went away."""


@dataclass(kw_only=True)
class _Write:
    """A row to write: inserted where `guard` is None, else changed if its columns still are `guard`."""

    row: models.Model
    fields: Sequence[str]
    guard: Mapping[str, Any] | None
    unwritable: type[DomainError] | None = None


class _Batch:
    def __init__(self) -> None:
        self.writes: dict[tuple[str, Any], _Write] = {}

    def put(self, write: _Write) -> None:
        """Collect a write; a row that is in the batch already is written once, as it stands at the end."""
        first = self.writes.setdefault((write.row._meta.db_table, write.row.pk), write)
        if first.row is not write.row or not set(write.fields) <= set(first.fields):
            raise TypeError("A row is written twice in one batch, as two objects or with other fields.")

    def flush(self) -> None:
        """Send everything; raise StaleTransition if a guarded row was no longer as expected."""
        writes = list(self.writes.values())
        self.writes.clear()
        if not writes:
            return
        parts, parameters = [], []
        inserts: dict[type[models.Model], list[_Write]] = {}
        guarded = []
        for write in writes:
            if write.guard is None:
                inserts.setdefault(type(write.row), []).append(write)
            else:
                guarded.append(write)
        for model, group in inserts.items():
            sql, values = _insert(model, group)
            parts.append(sql)
            parameters += values
        for write in guarded:
            sql, values = _update(write)
            parts.append(sql)
            parameters += values
        named = ", ".join(f"w{n} AS ({sql} RETURNING 1)" for n, sql in enumerate(parts))
        counts = ", ".join(f"(SELECT count(*) FROM w{n})" for n in range(len(inserts), len(parts)))  # noqa: S608
        try:
            rows = prepared.execute(f"WITH {named} SELECT {counts or '1'}", parameters)
        except DatabaseError as error:
            _explain(error, writes)
            raise
        if guarded and not all(rows[0]):
            raise StaleTransition("The row is no longer as it was read.")


@contextmanager
def batched() -> Iterator[None]:
    """Collect the writes of the block and send them when it ends; on an exception none is sent.

    Use it inside `transaction.atomic`. A batch inside a batch is part of the outer one.
    """
    if getattr(_local, "batch", None) is not None:
        yield
        return
    _local.batch = _Batch()
    try:
        yield
        _local.batch.flush()
    finally:
        _local.batch = None


def is_open() -> bool:
    """Tell whether writes of this thread are being collected."""
    return getattr(_local, "batch", None) is not None


def flush() -> None:
    """Send what was collected so far, so that the queries that follow in this transaction see it."""
    batch: _Batch | None = getattr(_local, "batch", None)
    if batch is not None:
        batch.flush()


def insert(row: models.Model, *, unwritable: type[DomainError] | None = None) -> None:
    """Insert the row, with the batch if there is one. `unwritable` is raised if its table refuses it."""
    batch: _Batch | None = getattr(_local, "batch", None)
    if batch is None:
        row.save(force_insert=True)
        return
    fields = [field.attname for field in row._meta.concrete_fields]
    batch.put(_Write(row=row, fields=fields, guard=None, unwritable=unwritable))
    row._state.adding = False


def update(row: models.Model, *, fields: Sequence[str], guard: Mapping[str, Any]) -> None:
    """Write the fields of the row if its columns still are `guard`, with the batch if there is one.

    Raises StaleTransition, at once or when the batch is sent, if they are not.
    """
    batch: _Batch | None = getattr(_local, "batch", None)
    if batch is not None:
        batch.put(_Write(row=row, fields=fields, guard=guard))
        return
    values = {name: getattr(row, name) for name in fields}
    if not type(row)._default_manager.filter(pk=row.pk, **guard).update(**values):
        raise StaleTransition("The row is no longer as it was read.")


def collected(model: type[models.Model], pk: Any) -> models.Model | None:
    """Return the row that the open batch will insert, if it does."""
    batch: _Batch | None = getattr(_local, "batch", None)
    write = batch.writes.get((model._meta.db_table, pk)) if batch is not None else None
    return write.row if write is not None and write.guard is None else None


def _insert(model: type[models.Model], group: Sequence[_Write]) -> tuple[str, list[Any]]:
    fields = [model._meta.get_field(name) for name in group[0].fields]
    columns = ", ".join(f'"{field.column}"' for field in fields)  # type: ignore[union-attr]
    one = f"({', '.join(['%s'] * len(fields))})"
    values = [_value(write.row, name) for write in group for name in write.fields]
    sql = f"INSERT INTO {model._meta.db_table} ({columns}) VALUES {', '.join([one] * len(group))}"  # noqa: S608
    return sql, values


def _update(write: _Write) -> tuple[str, list[Any]]:
    meta = type(write.row)._meta
    changed = ", ".join(f'"{meta.get_field(name).column}" = %s' for name in write.fields)  # type: ignore[union-attr]
    guard = write.guard or {}
    where = "".join(f' AND "{meta.get_field(name).column}" = %s' for name in guard)  # type: ignore[union-attr]
    values = [_value(write.row, name) for name in write.fields]
    sql = f"UPDATE {meta.db_table} SET {changed} WHERE id = %s{where}"  # noqa: S608
    return sql, [*values, write.row.pk, *(str(value) for value in guard.values())]


def _value(row: models.Model, name: str) -> Any:
    """Return the value as the driver takes it: JSON wrapped, everything else by its own type."""
    value = getattr(row, name)
    if value is not None and name in _json_fields(type(row)):
        return Jsonb(value)
    return value


@cache
def _json_fields(model: type[models.Model]) -> frozenset[str]:
    fields = model._meta.concrete_fields
    return frozenset(field.attname for field in fields if isinstance(field, models.JSONField))


def _explain(error: DatabaseError, writes: Sequence[_Write]) -> None:
    """Raise what stands for an unwritable table, if the error is about the table and not the connection."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state is None or state.startswith(CONNECTION_LOST):
        return
    others = {write.row._meta.db_table for write in writes if write.unwritable is None}
    if any(f"{table}" in str(error) for table in others):
        return
    for write in writes:
        if write.unwritable is not None:
            raise write.unwritable from error
