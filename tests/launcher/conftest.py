"""The launcher is not part of the application: it lives in deploy/, and is tested from there."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy"))

from launcher.home import remove_home  # noqa: E402
from launcher.keys import Keys  # noqa: E402
from launcher.postgres import Postgres  # noqa: E402
from launcher.processes import Children  # noqa: E402
from launcher.project import Project  # noqa: E402
from launcher.state import State  # noqa: E402
from launcher.valkey import Valkey  # noqa: E402


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Embedded PostgreSQL and Valkey that run."""

    postgres: Postgres
    valkey: Valkey


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def site_packages() -> Path:
    return Path(sysconfig.get_path("purelib"))


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(directory=tmp_path / "state")
    state.create()
    return state


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout with a pyproject.toml, two locks and no virtualenv."""
    project = Project(root=tmp_path)
    project.requirements.mkdir(parents=True)
    for lock in ("runtime", "dev"):
        (project.requirements / f"{lock}.lock").write_text(f"# {lock}\n")
    (project.root / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["django>=5"]\n')
    return project


@pytest.fixture(scope="module")
def stores(site_packages: Path) -> Iterator[Stores]:
    """Start both stores from nothing, and stop and delete them afterwards."""
    state = State.temporary()
    children, keys = Children(state=state), Keys.of(state)
    postgres = Postgres.of(children, keys, site_packages)
    valkey = Valkey.of(children, keys, site_packages)
    try:
        starting = valkey.start()
        postgres.wait(postgres.start())
        postgres.bootstrap(Project.here().bootstrap_sql)
        valkey.wait(starting)
        yield Stores(postgres=postgres, valkey=valkey)
    finally:
        children.stop_all()
        remove_home(postgres.home)
        shutil.rmtree(state.directory, ignore_errors=True)
