"""Embedded PostgreSQL 18: make a cluster, start it, give it its roles and its database.

The wheel's own Python interface is not used: as root it opens every parent directory to all users, and it
trusts every local connection. We drive its programs: TCP on the loopback interface, passwords always.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import SIGINT

from launcher.errors import LauncherError
from launcher.home import Home, find_home
from launcher.keys import Keys
from launcher.leftovers import processes_in
from launcher.ports import LOOPBACK, free_port
from launcher.processes import Child, Children, Program

MAJOR = "18"
SUPERUSER = "cs_super"
DATABASE = "countersign"
READY_S = 60
LEFTOVER_S = 10
PORT_ATTEMPTS = 3

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass
class Postgres:
    """One cluster of one state directory."""

    home: Home
    keys: Keys
    children: Children
    port: int = 0

    @classmethod
    def of(cls, children: Children, keys: Keys, site_packages: Path) -> Postgres:
        return cls(home=find_home(children.state, site_packages), keys=keys, children=children)

    def start(self) -> Child:
        """Make the cluster if there is none, and start the server; `wait` for it before using it."""
        check_major_version(self.home.data)
        if not self.home.data.exists():
            self._initdb()
        self.port = free_port()
        return self.launch()

    def launch(self) -> Child:
        """Start the server on the port it has, with the data it left."""
        self._clear_stale_pid_file()
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        arguments = ("-D", str(self.home.data), "-p", str(self.port), *settings)
        return self.children.start(self._program("postgres", *arguments))

    def wait(self, child: Child) -> None:
        """Wait until the server takes connections; take another port if somebody was quicker."""
        for attempts_left in reversed(range(PORT_ATTEMPTS)):
            try:
                self.children.wait_until(partial(self._is_ready, child), child=child, timeout_s=READY_S)
                break
            except LauncherError as error:
                log = child.tail(40)
                if not child.has_ended():
                    raise
                if "could not bind" not in log or not attempts_left:
                    raise LauncherError(f"PostgreSQL {explain(log)}", tail=error.tail) from error
                child = self.start()

    def bootstrap(self, script: Path) -> None:
        """Run the SQL that makes roles, extension and database; it may run again at every start."""
        names = {f"{role.upper()}_PASSWORD": getattr(self.keys, role) for role in ("cs_owner", "cs_app")}
        command = [self.home.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
        where = {"PGHOST": LOOPBACK, "PGPORT": str(self.port), "PGUSER": SUPERUSER, "PGDATABASE": "postgres"}
        result = subprocess.run(
            command,
            env={**self._environment(), **where, **names, "PGPASSWORD": self.keys.cs_super},
            capture_output=True,
            text=True,
            check=False,
        )
        if "password authentication failed" in result.stderr:
            raise LauncherError(
                f"{self.children.state.secrets} does not hold the password of {self.home.data};"
                f" put the right file back, or delete {self.children.state.directory} to start afresh"
            )
        if result.returncode:
            raise LauncherError(f"PostgreSQL could not run {script}:", tail=result.stderr.strip())

    def url(self, role: str) -> str:
        return f"postgresql://{role}:{getattr(self.keys, role)}@{LOOPBACK}:{self.port}/{DATABASE}"

    def _initdb(self) -> None:
        """Make the cluster under another name first: a start that is killed leaves nothing half-made."""
        unfinished = self.home.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password_file = self.home.directory / "password"
        password_file.unlink(missing_ok=True)
        with os.fdopen(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.keys.cs_super)
        if self.home.account is not None:
            os.chown(password_file, self.home.account.uid, self.home.account.gid)
        options = f"-D {unfinished.name} -U {SUPERUSER} --pwfile {password_file.name} -A scram-sha-256"
        locale = "-E UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C --no-instructions"
        try:
            self.children.run(self._program("initdb", *options.split(), *locale.split()))
        except LauncherError as error:
            raise LauncherError(f"PostgreSQL {explain(error.tail)}", tail=error.tail) from error
        finally:
            password_file.unlink(missing_ok=True)
        unfinished.rename(self.home.data)

    def _program(self, name: str, *arguments: str) -> Program:
        return Program(
            name=name,
            argv=(self.home.program(name), *arguments),
            env=self._environment(),
            cwd=self.home.directory,
            marker=name,
            # SIGINT is a fast shutdown; SIGTERM would wait for every pooled connection to be closed.
            stop_signal=SIGINT,
            death_signal=SIGINT,
            patience_s=30,
            account=self.home.account,
            is_store=True,
        )

    def _environment(self) -> dict[str, str]:
        """Give only what is needed: PGDATA, PGPORT and their like would lead the programs elsewhere."""
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

    def _is_ready(self, child: Child) -> bool:
        lines = pid_file(self.home.data)
        return lines[:1] == [str(child.popen.pid)] and lines[7:8] == ["ready"]

    def _clear_stale_pid_file(self) -> None:
        """Deal with what a killed launcher left: its server, and a pid that may be a stranger's by now.

        PostgreSQL refuses to start if any process has the pid in its pid file. If none has, it removes the
        file itself; in either case it also checks that no old process still uses the data.
        """
        lines = pid_file(self.home.data)
        if not lines:
            return
        if int(lines[0]) in processes_in(self.home.data):
            os.kill(int(lines[0]), SIGINT)
        deadline = time.monotonic() + LEFTOVER_S
        while processes_in(self.home.data) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not processes_in(self.home.data) and Path("/proc", lines[0]).exists():
            (self.home.data / "postmaster.pid").unlink(missing_ok=True)


def pid_file(data: Path) -> list[str]:
    """Return the lines of postmaster.pid: pid, data, start, port, socket, address, memory, status."""
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
    except OSError:
        return []


def check_major_version(data: Path) -> None:
    """Raise if the data was written by another PostgreSQL, whose files this one cannot read."""
    try:
        found = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return
    if found != MAJOR:
        raise LauncherError(
            f"{data} was made by PostgreSQL {found}, and this is PostgreSQL {MAJOR}; dump it with the"
            f" Countersign that made it, or delete {data} to start with an empty database"
        )


def explain(log: str) -> str:
    """Say in one line why PostgreSQL did not start, and what to do."""
    for sign, meaning in _MEANINGS.items():
        if sign in log:
            return meaning
    fatal = [line for line in log.splitlines() if "FATAL" in line or "PANIC" in line or "error:" in line]
    return f"did not start: {fatal[-1].strip()}" if fatal else "did not start; the end of its log:"


_NOT_ITS_OWN = "may not use its directory; run this as the user who owns it, or delete .countersign"
_MEANINGS = {
    "No space left on device": "found the disk full; free some space and run this again",
    "Check free disk space": "found the disk full; free some space and run this again",
    "could not look up effective user ID": "needs a user with a name; run this as one that is in /etc/passwd",
    "could not bind": "found no free port; run this again",
    "already exists": "already runs on this data; run ./countersign stop, then this again",
    "still in use": "still runs on this data; run ./countersign stop, then this again",
    "Permission denied": _NOT_ITS_OWN,
    "wrong ownership": _NOT_ITS_OWN,
    "invalid permissions": "wants its data directory to be private; run chmod 700 on it",
    "could not create shared memory": "got too little shared memory; close other programs or raise the limit",
    "could not map anonymous shared memory": "got too little memory; close other programs and run this again",
}
