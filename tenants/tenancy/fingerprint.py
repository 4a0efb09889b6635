"""One value that says what a schema holds: its migrations, and the rows that code seeds into it."""

import hashlib
from collections.abc import Callable

from django.db.migrations.loader import MigrationLoader

_contributions: list[Callable[[], str]] = []


def contribute(part: Callable[[], str]) -> None:
    """Add what an app seeds on `schema_ready`: when its text changes, schemas are brought up to date."""
    _contributions.append(part)


def of_code() -> str:
    """Return the SHA-256 over all that decides a schema's content; equal values mean nothing to do."""
    migrations = sorted(f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations)
    parts = [*migrations, *(part() for part in _contributions)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
