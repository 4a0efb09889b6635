"""The virtualenv: built from a lock with hashes, and reused while that lock is the same.

A stamp, written last, says which lock and Python a virtualenv was finished with. Without a stamp it is either
half-built or somebody else's, and is built anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from launcher.console import say, step
from launcher.errors import LauncherError
from launcher.processes import fresh_log, tail, through_shim
from launcher.project import Project
from launcher.state import State

STAMP = ".countersign-lock"
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def ensure(project: Project, lock: str) -> None:
    """Make `.venv` hold what the lock `runtime` or `dev` says; quick if it already does."""
    if is_current(project, lock):
        return
    state = State(directory=project.state)
    state.create()
    with (project.state / "venv.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another ./countersign that is building a virtualenv ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        if not is_current(project, lock):
            state.check_disk()
            with step(
                f"Installing the packages of {lock}.lock into {project.venv_folder} (a minute or two the first time)"
            ):
                _build(project, lock, state.logs)


def is_current(project: Project, lock: str) -> bool:
    """Return whether the stamp names this Python and this lock, or the dev lock, which holds more."""
    good = [stamp_for(project, name) for name in {lock, "dev"}]
    return read_stamp(project) in good and project.python.exists()


def stamp_for(project: Project, lock: str) -> dict[str, str]:
    """Return what the stamp of a finished virtualenv says."""
    content = (project.requirements / f"{lock}.lock").read_bytes()
    return {"lock": lock, "sha256": hashlib.sha256(content).hexdigest(), "python": PYTHON_VERSION}


def read_stamp(project: Project) -> dict[str, str]:
    """Return the stamp of the virtualenv; empty if it was never finished."""
    try:
        stamp = json.loads((project.venv / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(project: Project, lock: str) -> None:
    """Declare the virtualenv finished."""
    (project.venv / STAMP).write_text(json.dumps(stamp_for(project, lock)) + "\n")


def find_uv() -> str | None:
    """Return uv if it is there and works: some version managers leave a stub that only prints an error."""
    uv = shutil.which("uv")
    works = uv and subprocess.run([uv, "--version"], capture_output=True, check=False).returncode == 0
    return uv if works else None


def _build(project: Project, lock: str, logs: Path) -> None:
    reusable = read_stamp(project).get("python") == PYTHON_VERSION and project.python.exists()
    (project.venv / STAMP).unlink(missing_ok=True)
    if not reusable and os.path.lexists(project.venv):
        say(f"  {project.venv_folder} is unfinished or was made with another Python: building it anew")
        _remove(project.venv)
    requirements = str(project.requirements / f"{lock}.lock")
    log = fresh_log(logs / "packages.log")
    uv = find_uv()
    if uv is None or not _install_with_uv(uv, project, requirements, log):
        _install_with_pip(project, requirements, log)
    write_stamp(project, lock)


def _install_with_uv(uv: str, project: Project, requirements: str, log: Path) -> bool:
    """Return whether uv managed; it does not read pip's configuration, so pip may where uv cannot."""
    create = [uv, "venv", "--quiet", "--python", _base_python(), str(project.venv)]
    install = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        str(project.python),
        "--require-hashes",
        "-r",
        requirements,
    ]
    done = (project.python.exists() or _run(create, log)) and _run(install, log)
    if not done:
        say("  uv could not install them: using pip")
        _remove(project.venv)
    return done


def _install_with_pip(project: Project, requirements: str, log: Path) -> None:
    if not (project.python.exists() and _run([str(project.python), "-m", "pip", "--version"], log)):
        if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
            raise LauncherError(
                f"this Python cannot make virtualenvs; on Debian or Ubuntu run"
                f" apt-get install python3-venv (or python{PYTHON_VERSION}-venv), then this again"
            )
        if not _run([_base_python(), "-m", "venv", "--clear", str(project.venv)], log):
            raise LauncherError(f"could not make {project.venv}; the end of {log}:", tail=tail(log, 12))
    pip = [str(project.python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    # Python compiles what it imports by itself; compiling all of it would take as long as installing it.
    options = ["--quiet", "--progress-bar", "off", "--no-compile", "--require-hashes", "-r", requirements]
    if not _run([*pip, "install", *options], log):
        raise LauncherError(
            f"could not install the packages; check the network and pip's configuration. The end of {log}:",
            tail=tail(log, 12),
        )


def _run(command: Sequence[str], log: Path) -> bool:
    with log.open("ab") as output:
        argv = through_shim(command, death_signal=signal.SIGKILL)
        return (
            subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
            ).returncode
            == 0
        )


def _base_python() -> str:
    """Return the Python outside any virtualenv, so that .venv is never built from itself."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def _remove(directory: Path) -> None:
    if directory.is_symlink():
        directory.unlink()
    elif directory.exists():
        shutil.rmtree(directory)
