"""A database of one's own, where what a test writes is committed; it is dropped afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dj_database_url
import psycopg

from tests.conftest import clone_database, drop_database, owner_url


@contextmanager
def own_database(blocker: Any, *, as_owner: bool = False) -> Iterator[str]:
    """Point Django at a fresh clone of the seeded database; yield its name.

    `as_owner` connects as the role that owns the tables instead of the one that runs the platform.
    """
    from django.db import connection

    settings = connection.settings_dict
    before = dict(settings)
    name = clone_database(f"{before['NAME']}_own")
    _reconnect()
    settings["NAME"] = name
    if as_owner:
        owner = dj_database_url.parse(owner_url(name))
        settings.update({key: owner[key] for key in ("USER", "PASSWORD", "HOST", "PORT")})
    try:
        with blocker.unblock():
            yield name
    finally:
        _reconnect()
        settings.update(before)
        drop_database(name)


def as_owner(name: str) -> psycopg.Connection:
    """Return a connection of the tables' owner, that commits each statement."""
    return psycopg.connect(owner_url(name), autocommit=True)


def _reconnect() -> None:
    from django.db import connection

    wrapper: Any = connection
    wrapper.close()
    wrapper.close_pool()
