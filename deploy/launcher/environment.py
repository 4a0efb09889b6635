"""The environment every program of a stack is given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from launcher.project import Project

LOCAL_SETTINGS = "config.settings.local"
TEST_SETTINGS = "config.settings.test"
# They would lead our programs to other packages or databases than ours.
FOREIGN = ("PYTHONHOME", "PYTHONPATH", "PGSERVICE", "PGOPTIONS", "PGSSLMODE", "PGHOSTADDR", "PGPASSFILE")


def variables(
    *,
    settings: str,
    database_url: str,
    owner_url: str,
    redis_url: str,
    secret_key: str,
    port: int,
    state: Path,
) -> dict[str, str]:
    """Return what a stack adds to the user's environment."""
    return {
        "DJANGO_SETTINGS_MODULE": settings,
        "DATABASE_URL": database_url,
        "DATABASE_OWNER_URL": owner_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": secret_key,
        "PORT": str(port),
        "TENANT_URL": f"http://{{host}}:{port}",
        # Its processes.json lists the running programs and their pids.
        "COUNTERSIGN_STATE": str(state),
        "PYTHONUNBUFFERED": "1",
        # Otherwise numeric libraries start a thread per core in every process.
        "OPENBLAS_NUM_THREADS": "1",
    }


def merge(project: Project, base: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program: ours on top of the user's, and the virtualenv first on PATH."""
    return {
        **{name: value for name, value in base.items() if name not in FOREIGN},
        **_without_proxy_for_loopback(base),
        "PATH": f"{project.venv / 'bin'}{os.pathsep}{base.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(project.venv),
        **ours,
    }


def as_owner(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for work that changes tables."""
    return {**environment, "DATABASE_URL": environment["DATABASE_OWNER_URL"]}


def without_services(project: Project, base: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which settings can be read, but nothing can be reached: enough for mypy."""
    nowhere = "127.0.0.1:1"
    ours = variables(
        settings=TEST_SETTINGS,
        database_url=f"postgresql://nobody@{nowhere}/none",
        owner_url=f"postgresql://nobody@{nowhere}/none",
        redis_url=f"redis://{nowhere}/0",
        secret_key="for tools that only read the settings and sign nothing",  # noqa: S106
        port=1,
        state=project.state,
    )
    return merge(project, base, ours)


def _without_proxy_for_loopback(base: Mapping[str, str]) -> dict[str, str]:
    """Keep requests to our own services away from an HTTP proxy; programs read either spelling."""
    hosts = (base.get("NO_PROXY") or base.get("no_proxy") or "").split(",")
    value = ",".join(dict.fromkeys(host for host in (*hosts, "127.0.0.1", "localhost") if host))
    return {"NO_PROXY": value, "no_proxy": value}
