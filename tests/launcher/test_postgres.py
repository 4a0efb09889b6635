from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql

from launcher import home as home_module
from launcher.errors import LauncherError
from launcher.home import find_home, remove_home
from launcher.keys import Keys
from launcher.postgres import Postgres, check_major_version, explain
from launcher.processes import Children
from launcher.project import Project
from launcher.state import State

from .conftest import Stores

Connection = psycopg.Connection[tuple[object, ...]]


def _url(stores: Stores, role: str, database: str) -> str:
    return stores.postgres.url(role).rpartition("/")[0] + f"/{database}"


@pytest.fixture(scope="module")
def database(stores: Stores) -> Iterator[str]:
    """A database that cs_owner makes, as the test runner does: a copy of template1."""
    with psycopg.connect(stores.postgres.url("cs_owner"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE test_countersign")
    yield "test_countersign"


@pytest.fixture(params=["countersign", "test_countersign"])
def owner(request: pytest.FixtureRequest, stores: Stores, database: str) -> Iterator[Connection]:
    with psycopg.connect(_url(stores, "cs_owner", request.param), autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS acme CASCADE")
        connection.execute("CREATE SCHEMA acme")
        connection.execute("SET search_path = acme, public, extensions")
        connection.execute("CREATE TABLE document (id bigserial PRIMARY KEY, place vector(3))")
        yield connection


@pytest.fixture
def app(owner: Connection, stores: Stores) -> Iterator[Connection]:
    with psycopg.connect(_url(stores, "cs_app", owner.info.dbname), autocommit=True) as connection:
        connection.execute("SET search_path = acme, public, extensions")
        yield connection


class TestRoles:
    def test_app_reads_and_writes_rows_in_schemas_made_later(self, app: Connection) -> None:
        app.execute("INSERT INTO document (place) VALUES ('[1,2,3]'), ('[4,5,6]')")
        app.execute("UPDATE document SET place = '[1,2,4]' WHERE id = 1")
        app.execute("DELETE FROM document WHERE id = 2")
        row = app.execute("SELECT place <-> '[1,2,3]' FROM document").fetchone()
        assert row == (1.0,)

    @pytest.mark.parametrize(
        "statement",
        [
            "TRUNCATE document",
            "DROP TABLE document",
            "ALTER TABLE document DISABLE TRIGGER ALL",
            "ALTER SEQUENCE document_id_seq RESTART",
            "CREATE TABLE acme.mine (id int)",
            "CREATE TABLE public.mine (id int)",
            "CREATE SCHEMA mine",
            "CREATE DATABASE mine",
            "CREATE ROLE mine",
            "SET ROLE cs_owner",
            "SET session_replication_role = replica",
            "CREATE EXTENSION pg_stat_statements",
        ],
    )
    def test_app_changes_nothing_else(self, app: Connection, statement: str) -> None:
        with pytest.raises((errors.InsufficientPrivilege, errors.FeatureNotSupported)):
            app.execute(sql.SQL(statement))

    @pytest.mark.parametrize("statement", ["CREATE ROLE mine", "ALTER SYSTEM SET fsync = off"])
    def test_owner_is_no_superuser(self, owner: Connection, statement: str) -> None:
        with pytest.raises(errors.InsufficientPrivilege):
            owner.execute(sql.SQL(statement))

    def test_owner_may_make_and_drop_databases(self, owner: Connection) -> None:
        owner.execute("CREATE DATABASE test_more")
        owner.execute("DROP DATABASE test_more")

    @pytest.mark.parametrize("role", ["cs_super", "cs_owner", "cs_app"])
    def test_everybody_needs_a_password(self, stores: Stores, role: str) -> None:
        port = stores.postgres.port
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host="127.0.0.1", port=port, user=role, dbname="postgres", passfile=os.devnull)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(host="127.0.0.1", port=port, user=role, dbname="postgres", password="x")


class TestServer:
    def test_is_durable_and_local(self, owner: Connection) -> None:
        def setting(name: str) -> object:
            row = owner.execute("SELECT current_setting(%s)", [name]).fetchone()
            assert row is not None
            return row[0]

        assert setting("fsync") == setting("synchronous_commit") == setting("full_page_writes") == "on"
        assert setting("listen_addresses") == "127.0.0.1"
        assert setting("max_connections") == "200"
        assert str(setting("server_version")).startswith("18.")

    def test_sorts_the_same_on_every_machine(self, owner: Connection) -> None:
        row = owner.execute(
            "SELECT datlocprovider::text, datlocale FROM pg_database WHERE datname = current_database()"
        ).fetchone()
        assert row == ("b", "C.UTF-8")

    def test_can_be_prepared_again(self, stores: Stores) -> None:
        stores.postgres.bootstrap(Project.here().bootstrap_sql)

    def test_tells_of_keys_that_belong_to_other_data(self, stores: Stores) -> None:
        stranger = Postgres(
            home=stores.postgres.home,
            keys=Keys(),
            children=stores.postgres.children,
            port=stores.postgres.port,
        )
        with pytest.raises(LauncherError, match="does not hold the password"):
            stranger.bootstrap(Project.here().bootstrap_sql)

    def test_keeps_its_data_private(self, stores: Stores) -> None:
        assert stat.S_IMODE(stores.postgres.home.data.stat().st_mode) == 0o700
        assert not (stores.postgres.home.directory / "password").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
class TestHomeOfRoot:
    @pytest.fixture
    def private(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
        """A state below a directory that only root may enter."""
        elsewhere = Path("/var/lib") / f"countersign-test-{os.getpid()}"
        monkeypatch.setattr(home_module, "ELSEWHERE", elsewhere)
        above = tmp_path / "private"
        above.mkdir(mode=0o700)
        state = State(directory=above / "state")
        state.create()
        yield state
        assert stat.S_IMODE(above.stat().st_mode) == 0o700
        shutil.rmtree(elsewhere)

    def test_is_elsewhere_when_the_checkout_is_private(self, private: State, site_packages: Path) -> None:
        children = Children(state=private)
        try:
            postgres = Postgres.of(children, Keys.of(private), site_packages)
            postgres.wait(postgres.start())
            postgres.bootstrap(Project.here().bootstrap_sql)
        finally:
            children.stop_all()
        assert postgres.home.directory.parent == home_module.ELSEWHERE
        assert str(postgres.home.directory) in (private.directory / home_module.NOTE).read_text()
        assert find_home(private, site_packages) == postgres.home

    def test_is_another_once_the_state_was_deleted(self, private: State, site_packages: Path) -> None:
        before = find_home(private, site_packages)
        shutil.rmtree(private.directory)
        private.create()
        assert find_home(private, site_packages).directory != before.directory


class TestKilledServer:
    def test_starts_again_though_a_stranger_has_its_pid(self, site_packages: Path) -> None:
        state = State.temporary()
        children = Children(state=state)
        postgres = Postgres.of(children, Keys.of(state), site_packages)
        try:
            killed = postgres.start()
            postgres.wait(killed)
            os.kill(killed.popen.pid, signal.SIGKILL)
            killed.popen.wait()
            children.forget(killed)
            stranger = replace(killed.program, argv=("/bin/sleep", "600"), name="stranger", marker="sleep")
            pid = children.start(stranger).popen.pid
            lines = (postgres.home.data / "postmaster.pid").read_text().splitlines()
            (postgres.home.data / "postmaster.pid").write_text("\n".join([str(pid), *lines[1:]]) + "\n")
            postgres.wait(postgres.start())
        finally:
            children.stop_all()
            remove_home(postgres.home)
            shutil.rmtree(state.directory)


class TestMajorVersion:
    @pytest.mark.parametrize("found", ["18\n", None])
    def test_accepts_its_own_data_and_none(self, tmp_path: Path, found: str | None) -> None:
        if found:
            (tmp_path / "PG_VERSION").write_text(found)
        check_major_version(tmp_path)

    def test_refuses_data_of_another(self, tmp_path: Path) -> None:
        (tmp_path / "PG_VERSION").write_text("16\n")
        with pytest.raises(LauncherError, match="was made by PostgreSQL 16, and this is PostgreSQL 18"):
            check_major_version(tmp_path)


class TestExplain:
    @pytest.mark.parametrize(
        ("log", "words"),
        [
            ("initdb: error: could not write: No space left on device", "found the disk full"),
            (
                'FATAL:  could not open file "global/pg_control": Permission denied',
                "may not use its directory",
            ),
            ('FATAL:  data directory "d" has invalid permissions', "wants its data directory to be private"),
            ('FATAL:  lock file "postmaster.pid" already exists', "run ./countersign stop"),
            ("FATAL:  could not map anonymous shared memory: Cannot allocate memory", "too little memory"),
            ("LOG:  x\nFATAL:  something new", "did not start: FATAL:  something new"),
            ("", "did not start; the end of its log:"),
        ],
    )
    def test_says_why_in_one_line(self, log: str, words: str) -> None:
        assert words in explain(log)


def test_removing_a_home_twice_is_harmless(tmp_path: Path) -> None:
    home = home_module.Home(installation=tmp_path, directory=tmp_path / "gone", account=None)
    remove_home(home)
