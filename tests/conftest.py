"""The test database, the tenants and the cast.

One database is installed and seeded once per migration state; each worker clones it. Tests run as
the runtime role, so grants and triggers are the real ones.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "deploy"), str(ROOT)]
LOCK = 0x746573746462
SEEDS = ("agents/demo/*.py", "agents/tools/base.py", "agents/tools/builtin/*.py", "*/apps.py", "hitl/*/wiring.py",
         "tenants/tenancy/operations.py", "governance/policies/*.py", "governance/policies/packs/*.json")  # fmt: skip


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # untyped upstream
    """Give the tests of a file to one worker: what a file sets up, it sets up once.

    The files of a folder that share a running stack go to one worker together.
    """

    TOGETHER = ("tests/journeys", "tests/chaos")

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        return folder if folder in self.TOGETHER else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Schedule by file."""
    return ByFile(config, log)


def database_url(name: str, url: str) -> str:
    """Return the URL with another database name."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def owner_url(name: str) -> str:
    """Return the owner's URL of a database."""
    return database_url(name, os.environ["DATABASE_OWNER_URL"])


def state_of_code() -> str:
    """Return a digest of everything that decides what the seeded database holds."""
    digest = hashlib.sha256()
    migrations = sorted(ROOT.glob("*/migrations/*.py")) + sorted(ROOT.glob("*/*/migrations/*.py"))
    seeds = sorted(path for seed in SEEDS for path in ROOT.glob(seed))
    for path in [*migrations, *seeds]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _execute(connection: psycopg.Connection, statement: str, **names: str) -> None:
    connection.execute(
        sql.SQL(statement).format(**{key: sql.Identifier(name) for key, name in names.items()})
    )


def _drop(connection: psycopg.Connection, name: str) -> None:
    """Drop a database and its connections; an autovacuum worker in it belongs to nobody we may stop."""
    for attempt in range(50):
        try:
            _execute(connection, "DROP DATABASE IF EXISTS {name} WITH (FORCE)", name=name)
            return
        except psycopg.errors.InsufficientPrivilege:
            if attempt == 49:
                raise
            time.sleep(0.2)


def _seeded_database(connection: psycopg.Connection) -> str:
    """Return the name of the seeded database, making it if this code's does not exist."""
    name = f"cs_seeded_{state_of_code()}"
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
        return name
    older = "SELECT datname FROM pg_database WHERE datname LIKE 'cs\\_seeded\\_%'"
    for (stale,) in connection.execute(older).fetchall():
        _drop(connection, stale)
    building = f"{name}_building"
    _drop(connection, building)
    _execute(connection, "CREATE DATABASE {name}", name=building)
    url = owner_url(building)
    environment = {**os.environ, "DATABASE_URL": url, "DATABASE_OWNER_URL": url}
    for command in ("install", "seed_demo"):
        subprocess.run([sys.executable, "manage.py", command], cwd=ROOT, env=environment, check=True)
    _execute(connection, "ALTER DATABASE {building} RENAME TO {name}", building=building, name=name)
    return name


def clone_database(name: str) -> str:
    """Make `name` a fresh copy of the seeded database; return its name."""
    with psycopg.connect(owner_url("postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        seeded = _seeded_database(connection)
        _drop(connection, name)
        _execute(connection, "CREATE DATABASE {name} TEMPLATE {seeded}", name=name, seeded=seeded)
    return name


def drop_database(name: str) -> None:
    """Drop a clone, whoever is still connected."""
    with psycopg.connect(owner_url("postgres"), autocommit=True) as connection:
        _drop(connection, name)


def _check_constraints(check: Callable[..., None]) -> Callable[..., None]:
    """Let Django's test case check deferred constraints after a test, when no tenant is entered."""
    from tenants.kernel.context import platform_context

    def wrapped(*args: Any, **kwargs: Any) -> None:
        with platform_context():
            check(*args, **kwargs)

    return wrapped


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any, request: pytest.FixtureRequest) -> Iterator[None]:
    """Point Django at this worker's clone."""
    from django.db import connection

    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    name = clone_database(f"cs_test_{worker}")
    connection.settings_dict["NAME"] = name
    vars(connection.features)["supports_transactions"] = True  # probing would create a table
    wrapper: Any = connection
    wrapper.check_constraints = _check_constraints(wrapper.check_constraints)
    yield
    with django_db_blocker.unblock():
        connection.close()
        wrapper.close_pool()
    drop_database(name)


@pytest.fixture
def platform(db: None) -> Iterator[None]:
    """Run the test in the platform's schema."""
    from tenants.kernel.context import platform_context

    with platform_context():
        yield


@pytest.fixture
def acme(db: None) -> Iterator[Any]:
    """Run the test in Acme's schema."""
    yield from _tenant("acme")


@pytest.fixture
def globex_tenant(db: None) -> Any:
    """Return Globex, where Grace works, without entering it."""
    return _find("globex")


def _find(schema: str) -> Any:
    from tenants.kernel.context import platform_context
    from tenants.tenancy.models import Tenant

    with platform_context():
        return Tenant.objects.get(schema_name=schema)


def _tenant(schema: str) -> Iterator[Any]:
    from tenants.kernel.context import tenant_context

    tenant = _find(schema)
    with tenant_context(tenant):
        yield tenant


@pytest.fixture
def person(acme: Any) -> Callable[..., Any]:
    """Return a function that finds or makes a person of Acme with the permissions or roles named."""
    from django.contrib.auth.models import Group, Permission

    from governance.access.models import User

    def make(username: str, *permissions: str, roles: tuple[str, ...] = ()) -> Any:
        user, _ = User.objects.get_or_create(username=username)
        user.groups.add(*Group.objects.filter(name__in=roles))
        for name in permissions:
            app, codename = name.split(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        return User.objects.get(pk=user.pk)

    return make


@pytest.fixture
def alice(person: Callable[..., Any]) -> Any:
    """Alice owns."""
    return person("alice")


@pytest.fixture
def bob(person: Callable[..., Any]) -> Any:
    """Bob reviews."""
    return person("bob")


@pytest.fixture
def rita(person: Callable[..., Any]) -> Any:
    """Rita reviews too."""
    return person("rita")


@pytest.fixture
def oscar(person: Callable[..., Any]) -> Any:
    """Oscar operates."""
    return person("oscar")


@pytest.fixture
def charlie(person: Callable[..., Any]) -> Any:
    """Charlie is in the tenant and may do nothing."""
    return person("charlie")


@pytest.fixture
def agent(acme: Any) -> Any:
    """Return Acme's seeded agent."""
    from agents.catalog.models import Agent

    return Agent.objects.get(name="Support assistant")


@pytest.fixture
def client_of(acme: Any) -> Callable[..., Any]:
    """Return a function that makes an API client signed in as a person, on a tenant's host."""
    from rest_framework.test import APIClient

    def make(user: Any = None, host: str = "acme.localhost") -> APIClient:
        client = APIClient(headers={"host": host})
        if user is not None:
            client.force_authenticate(user)
        return client

    return make
