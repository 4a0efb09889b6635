"""One directory holds all that a stack keeps between starts, and one lock guards it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import AlreadyRunningError, LauncherError

GIGABYTE = 1_000_000_000
NEEDED_BYTES = 1 * GIGABYTE


@dataclass(frozen=True, kw_only=True)
class State:
    """The files of one stack: databases, logs, passwords and process ids."""

    directory: Path

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def secrets(self) -> Path:
        return self.directory / "secrets.json"

    @property
    def processes(self) -> Path:
        return self.directory / "processes.json"

    @property
    def environment(self) -> Path:
        return self.directory / "environment.json"

    @property
    def lock(self) -> Path:
        return self.directory / "lock"

    @classmethod
    def temporary(cls) -> State:
        """Return a new, empty state in the system's directory for temporary files."""
        state = cls(directory=Path(tempfile.mkdtemp(prefix="countersign-")))
        _limit_access(state.directory)
        state.create()
        return state

    def create(self) -> None:
        """Make the directory if it is not there."""
        for directory in (self.directory.parent, self.directory):
            if not directory.exists():
                directory.mkdir()
                _limit_access(directory)
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise LauncherError(
                f"{self.directory} belongs to another user; run this as that user, or delete the directory"
            )
        self.logs.mkdir(mode=0o700, exist_ok=True)

    def check_disk(self) -> None:
        """Refuse to start where a database would soon find the disk full."""
        free = shutil.disk_usage(self.directory).free
        if free < NEEDED_BYTES:
            raise LauncherError(
                f"only {free / GIGABYTE:.1f} GB of disk is free at {self.directory}, and"
                f" {NEEDED_BYTES / GIGABYTE:.0f} GB is needed; free some space and run this again"
            )

    @contextmanager
    def held_for(self, command: str, *, url: str = "") -> Iterator[None]:
        """Keep every other launcher out; the kernel lets go of the lock whatever happens to this process."""
        with self.lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunningError(self._who_holds()) from None
            file.truncate(0)
            json.dump({"pid": os.getpid(), "command": command, "url": url}, file)
            file.flush()
            yield
            file.truncate(0)

    def holder(self) -> int | None:
        """Return the pid of the launcher that wrote the lock file, or None."""
        pid = self._lock_content().get("pid")
        return pid if isinstance(pid, int) else None

    def _who_holds(self) -> str:
        content = self._lock_content()
        where = f" at {content['url']}" if content.get("url") else ""
        return (
            f"./countersign {content.get('command', '')} already runs{where} (pid {content.get('pid', '?')});"
            " use that one, or end it with ./countersign stop"
        )

    def _lock_content(self) -> dict[str, object]:
        try:
            content = json.loads(self.lock.read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def _limit_access(directory: Path) -> None:
    """Keep others out; as root let them through, since PostgreSQL then runs as another user."""
    directory.chmod(0o711 if os.geteuid() == 0 else 0o700)


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read; a crash leaves the old one or the new one."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
