"""The lock files, and the note that says which dependencies ours were compiled from."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

from launcher.console import say
from launcher.errors import LauncherError
from launcher.project import Project
from launcher.venv import find_uv

LOCKS = {
    "runtime": ("pyproject.toml",),
    "dev": ("pyproject.toml", "--extra", "dev"),
    "peers": ("deploy/requirements/peers.in",),
    "evals": ("deploy/requirements/evals.in",),
}
SOURCE = "SOURCE"
COMPILE = ("pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes")


def fingerprint(pyproject: Path) -> str:
    """Return a hash of the dependencies a project declares, whatever their layout or comments."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    declared = [project.get("dependencies", []), project.get("optional-dependencies", {})]
    return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()


def check_fresh(project: Project) -> None:
    """Raise if pyproject.toml asks for other packages than the locks were compiled from."""
    source = project.requirements / SOURCE
    recorded = source.read_text().split()[:1] if source.exists() else []
    if recorded != [fingerprint(project.root / "pyproject.toml")]:
        raise LauncherError(
            "the dependencies in pyproject.toml have changed since deploy/requirements/*.lock were compiled;"
            " run make lock (it needs uv)"
        )


def compile_locks(project: Project, arguments: Sequence[str]) -> None:
    """Compile the locks with uv and note what from; `--upgrade` takes newer versions.

    Where packages come from is the business of the user's own configuration, and stays out of the files.
    """
    uv = find_uv()
    if uv is None:
        raise LauncherError("compiling the locks needs uv; run pip install uv, then make lock")
    for name, source in LOCKS.items():
        lock = project.requirements / f"{name}.lock"
        command = [
            uv,
            *COMPILE,
            "--no-header",
            "-q",
            "-o",
            str(lock.relative_to(project.root)),
            *source,
            *arguments,
        ]
        if subprocess.run(command, cwd=project.root, check=False).returncode:
            raise LauncherError(f"uv could not compile {lock.name}; its message is above")
        say(f"ok  {lock.relative_to(project.root)}")
    digest = fingerprint(project.root / "pyproject.toml")
    (project.requirements / SOURCE).write_text(
        f"{digest}  dependencies in pyproject.toml, hashed by make lock\n"
    )
