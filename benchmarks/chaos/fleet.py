"""The processes under test: workers, beat and web, replaced whenever they die."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READY_S = 60.0
POLL_S = 0.01
CRASH_PAUSE_S = 0.5
"""What ended by itself may end again at once: it is not replaced in a tight loop."""
ROOT = Path(__file__).resolve().parents[2]
WORKER = ("-P", "threads", "--without-mingle", "--without-gossip", "-l", "WARNING")


@dataclass
class Member:
    """One process: its role and when it was started (seconds of the monotonic clock)."""

    name: str
    role: str
    pid: int
    since: float


@dataclass
class Fleet:
    """Processes forked by one nursery; whoever dies is replaced unless it was asked to leave."""

    environment: Mapping[str, str]
    directory: Path
    port: int
    threads: int = 4
    on_death: Callable[[Member, int], None] | None = None
    members: dict[int, Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare; nothing runs before `start`."""
        self._lock = threading.RLock()
        self._leaving: set[int] = set()
        self._expected: dict[str, str] = {}
        self._numbers = 0
        self._nursery: subprocess.Popen[bytes] | None = None
        self._ready = threading.Event()
        self._closing = False

    def start(self, *, workers: int) -> None:
        """Start the nursery, web, beat and so many workers."""
        log = (self.directory / "nursery.log").open("wb")
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.chaos.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=dict(self.environment),
            cwd=ROOT,
        )
        log.close()
        threading.Thread(target=self._listen, args=(self._nursery,), daemon=True).start()
        if not self._ready.wait(READY_S):
            raise RuntimeError(f"The nursery did not become ready: {self.log('nursery')}")
        self.add("web")
        self.add("beat")
        for _ in range(workers):
            self.add("worker")

    def add(self, role: str) -> str:
        """Fork one more process; return its name."""
        with self._lock:
            self._numbers += 1
            name = f"{role}-{self._numbers}"
            self._expected[name] = role
            self._order({"name": name, "role": role, "arguments": self._arguments(role, name)})
        return name

    def of(self, role: str) -> list[Member]:
        """Return the living processes of a role that were not asked to leave, oldest first."""
        with self._lock:
            return [m for m in self.members.values() if m.role == role and m.pid not in self._leaving]

    def kill(self, member: Member) -> None:
        """End a process with SIGKILL and wait until it is gone."""
        self.signal(member, signal.SIGKILL)
        self.wait_for_end(member)

    def signal(self, member: Member, number: signal.Signals) -> None:
        """Send a signal; nothing happens if the process is gone."""
        with self._lock, contextlib.suppress(ProcessLookupError):
            if member.pid in self.members:
                os.kill(member.pid, number)

    def dismiss(self, member: Member) -> None:
        """Ask a process to end with SIGTERM, without a replacement."""
        with self._lock:
            self._leaving.add(member.pid)
        self.signal(member, signal.SIGTERM)

    def resize(self, role: str, count: int) -> None:
        """Have so many processes of a role: ask the oldest to end, or add some."""
        members = self.of(role)
        for member in members[: max(0, len(members) - count)]:
            self.dismiss(member)
            self.wait_for_end(member)
        for _ in range(count - len(members)):
            self.add(role)
        while len(self.of(role)) != count:
            time.sleep(POLL_S)

    def wait_for_end(self, member: Member, *, timeout_s: float = 60.0) -> None:
        """Wait until a process is gone; raise TimeoutError if it is not."""
        deadline = time.monotonic() + timeout_s
        while member.pid in self.members:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{member.name} did not end within {timeout_s:.0f} s.")
            time.sleep(POLL_S)

    def close(self) -> None:
        """End every process at once."""
        self._closing = True
        if self._nursery is None:
            return
        with self._lock:
            for member in self.members.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member.pid, signal.SIGKILL)
        if self._nursery.stdin:
            self._nursery.stdin.close()
        self._nursery.wait(timeout=10)

    def log(self, role: str) -> str:
        """Return the end of what the processes of a role wrote."""
        path = self.directory / f"{role}.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def _arguments(self, role: str, name: str) -> list[str]:
        match role:
            case "web":
                words = f"config.asgi:application --host 127.0.0.1 --port {self.port} --log-level warning"
                return [*words.split(), "--timeout-graceful-shutdown", "3"]
            case "beat":
                return ["-s", str(self.directory / "schedule"), "-l", "WARNING"]
            case _:
                return [*WORKER, "-c", str(self.threads), "-n", f"{name}@chaos"]

    def _order(self, order: dict[str, Any]) -> None:
        order["log"] = str(self.directory / f"{order['role']}.log")
        assert self._nursery is not None
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(json.dumps(order).encode() + b"\n")
        self._nursery.stdin.flush()

    def _listen(self, nursery: subprocess.Popen[bytes]) -> None:
        assert nursery.stdout is not None
        for line in nursery.stdout:
            said = json.loads(line)
            if "ready" in said:
                self._ready.set()
            elif "name" in said:
                with self._lock:
                    role = self._expected.pop(said["name"])
                    self.members[said["pid"]] = Member(
                        name=said["name"], role=role, pid=said["pid"], since=time.monotonic()
                    )
            else:
                self._ended(said["pid"], said["status"])

    def _ended(self, pid: int, status: int) -> None:
        with self._lock:
            member = self.members.pop(pid)
            replace = pid not in self._leaving and not self._closing
        if replace:
            if status >= 0:
                time.sleep(CRASH_PAUSE_S)
            self.add(member.role)
        if self.on_death is not None and not self._closing:
            self.on_death(member, status)
