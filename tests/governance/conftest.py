"""A database of the module's own for what must be committed."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.governance.clones import own_database


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Give the module a database of its own; return its name."""
    with own_database(django_db_blocker) as name:
        yield name
