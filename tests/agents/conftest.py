"""Runs on a database of their own, with models that answer from this process."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from shutil import copy
from typing import Any

import pytest

from tests.agents import fake_model
from tests.agents.fake_model import FakeModel
from tests.governance.clones import own_database
from tests.governance.samples import NOW

HERE = Path(__file__).parent
SCRIPTS = (
    HERE.parents[1] / "agents" / "demo" / "scripts" / "acme.toml",
    HERE / "llm" / "scripts" / "faults.toml",
)
Start = Callable[..., Any]


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Give the module a database of its own: an advancing run closes connections and commits."""
    with own_database(django_db_blocker) as name:
        yield name


@pytest.fixture(scope="module")
def scripted_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve Acme's scripts and those with faults."""
    from agents.llm.scripted.server import running

    folder = tmp_path_factory.mktemp("scripts")
    for script in SCRIPTS:
        copy(script, folder)
    with running(folder) as url:
        yield url


@pytest.fixture
def scripted(scripted_url: str, settings: Any) -> None:
    """Let runs ask the scripted model."""
    settings.OPENAI_BASE_URL = scripted_url


@pytest.fixture(scope="module")
def fake_server() -> Iterator[FakeModel]:
    """Serve a fake model."""
    with fake_model.running() as server:
        yield server


@pytest.fixture
def model(fake_server: FakeModel, settings: Any) -> FakeModel:
    """Let runs ask the fake model."""
    settings.OPENAI_BASE_URL = fake_server.url
    fake_server.script(fake_model.text("Done."))
    return fake_server


@pytest.fixture
def start(agent: Any, oscar: Any) -> Start:
    """Return a function that starts a run of Acme's agent for Oscar."""
    from agents.runs import operations

    def begin(query: str, *, user: Any = None) -> Any:
        return operations.start(
            agent=agent, user=user or oscar, input={"query": query}, trace_id="0" * 32, now=NOW
        )

    return begin


@pytest.fixture
def work() -> Callable[..., Any]:
    """Return a function that lets a worker advance a run, and gives the run as it is then."""
    from agents.runs.advance import advance
    from agents.runs.models import Run

    def go(run: Any, *, at: datetime = NOW) -> Any:
        advance(run_id=str(run.pk), clock=lambda: at)
        return Run.objects.select_related("agent", "requester").get(pk=run.pk)

    return go
