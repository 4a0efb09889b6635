"""A database of the module's own, connected as the role that makes tenants."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.governance.clones import own_database


@pytest.fixture(scope="module")
def owned(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Give the module a database of its own, as its owner; return its name."""
    with own_database(django_db_blocker, as_owner=True) as name:
        yield name
