"""Start programs, notice when one dies, stop them all.

Start them from the main thread only: Linux sends the parent-death signal when the *thread* that started
the program ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from launcher.console import say
from launcher.errors import LauncherError
from launcher.identity import Identity, began
from launcher.state import State, write_private

POLL_S = 0.02
SHIM = Path(__file__).with_name("shim.py")


@dataclass(frozen=True, kw_only=True)
class Account:
    """The user a program runs as, where that is not the user of the launcher."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, and how to end it."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    marker: str
    stop_signal: signal.Signals = signal.SIGTERM
    patience_s: float = 10
    death_signal: signal.Signals = signal.SIGKILL
    account: Account | None = None
    is_store: bool = False


@dataclass
class Child:
    """A program that was started."""

    program: Program
    popen: subprocess.Popen[bytes]
    log: Path
    began: str

    def tail(self, lines: int = 12) -> str:
        """Return the end of what the program printed."""
        return tail(self.log, lines)

    def has_ended(self) -> bool:
        return self.popen.poll() is not None

    def died(self) -> LauncherError:
        """Describe the end of a program that should have gone on."""
        how, said = describe_exit(self.popen.wait()), self.tail()
        return LauncherError(
            f"{self.program.name} {how}; {'the end of ' if said else 'it wrote nothing to '}{self.log}",
            tail=said,
        )


@dataclass
class Children:
    """The programs this launcher started, oldest first."""

    state: State
    running: list[Child] = field(default_factory=list)
    in_a_hurry: bool = False

    def start(self, program: Program) -> Child:
        """Start a program in a session of its own, so that Ctrl-C reaches only the launcher."""
        log = fresh_log(self.state.logs / f"{program.name}.log")
        with log.open("wb") as output:
            popen = subprocess.Popen(
                through_shim(program.argv, death_signal=program.death_signal, account=program.account),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(program.env),
                cwd=program.cwd,
                start_new_session=True,
            )
        child = Child(program=program, popen=popen, log=log, began=began(popen.pid) or "")
        self.running.append(child)
        self._remember()
        return child

    def run(self, program: Program) -> None:
        """Run a program to its end; raise if it fails."""
        child = self.start(program)
        while not child.has_ended():
            self.check(other_than=child)
            time.sleep(POLL_S)
        self.forget(child)
        if child.popen.returncode:
            raise child.died()

    def check(self, *, other_than: Child | None = None) -> None:
        """Raise if a program has died."""
        for child in self.running:
            if child is not other_than and child.has_ended():
                self.forget(child)
                raise child.died()

    def wait_until(self, ready: Callable[[], bool], *, child: Child, timeout_s: float) -> None:
        """Wait until a program is of use; raise if one dies first or it takes too long."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise LauncherError(
                    f"{child.program.name} was not ready after {timeout_s:.0f} s; the end of {child.log}:",
                    tail=child.tail(),
                )
            time.sleep(POLL_S)

    def stop_all(self) -> None:
        """Stop the application all at once, then the stores it writes to; newest first."""
        newest_first = self.running[::-1]
        application = [child for child in newest_first if not child.program.is_store]
        for child in application:
            _send(child, child.program.stop_signal)
        for child in application:
            self._await(child)
        for child in newest_first:
            if child.program.is_store:
                _send(child, child.program.stop_signal)
                self._await(child)

    def forget(self, child: Child) -> None:
        """Take a program that has ended off the list."""
        self.running.remove(child)
        self._remember()

    def _await(self, child: Child) -> None:
        deadline = time.monotonic() + child.program.patience_s
        while not child.has_ended():
            if self.in_a_hurry or time.monotonic() > deadline:
                if not self.in_a_hurry:
                    say(
                        f"  {child.program.name} did not stop in {child.program.patience_s:.0f} s: killing it"
                    )
                os.killpg(child.popen.pid, signal.SIGKILL)
                child.popen.wait()
            time.sleep(POLL_S)
        self.forget(child)

    def _remember(self) -> None:
        """Write down what runs, for the launcher that comes after one that was killed."""
        records = [
            {
                "name": child.program.name,
                "stop_signal": int(child.program.stop_signal),
                **asdict(Identity(pid=child.popen.pid, began=child.began, marker=child.program.marker)),
            }
            for child in self.running
        ]
        write_private(self.state.processes, json.dumps(records, indent=2) + "\n")


def through_shim(
    argv: Sequence[str], *, death_signal: signal.Signals, account: Account | None = None
) -> list[str]:
    """Return the command line that runs a program so that it does not outlive the launcher."""
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    numbers = (os.getpid(), int(death_signal), uid, gid)
    return [sys.executable, "-I", "-S", str(SHIM), *(str(number) for number in numbers), *argv]


def fresh_log(path: Path) -> Path:
    """Set the log of the previous start aside, so that logs neither grow for ever nor vanish at once."""
    if path.exists():
        path.replace(path.with_name(path.name + ".1"))
    return path


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a file."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def describe_exit(code: int) -> str:
    """Say in words how a program ended."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _send(child: Child, number: signal.Signals) -> None:
    # Popen.send_signal does nothing for a program that has ended, so it never hits a stranger.
    child.popen.send_signal(number)
