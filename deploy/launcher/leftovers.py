"""Stop what a launcher that was killed has left running."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

from launcher.console import say
from launcher.errors import AlreadyRunningError
from launcher.identity import Identity, command_line
from launcher.state import State

PATIENCE_S = 10.0
HOLDER_PATIENCE_S = 60.0


def stop_leftovers(state: State) -> None:
    """Stop every process the state directory still lists; a pid that is a stranger's by now is left alone.

    Call it only while holding the state's lock: then no launcher is there to look after them.
    """
    found = [(name, number, who) for name, number, who in recorded(state) if who.is_alive()]
    for name, number, who in found:
        say(f"Stopping {name}, left by a launcher that was killed ...")
        _signal(who, number)
    deadline = time.monotonic() + PATIENCE_S
    for _, _, who in found:
        _wait(who, until=deadline)
        if who.is_alive():
            _signal(who, signal.SIGKILL)
            _wait(who, until=time.monotonic() + PATIENCE_S)
    state.processes.unlink(missing_ok=True)
    state.environment.unlink(missing_ok=True)


def stop_everything(state: State) -> None:
    """Ask the launcher that holds the state to stop, and then stop what is left without one."""
    deadline = time.monotonic() + HOLDER_PATIENCE_S
    asked = False
    while True:
        try:
            with state.held_for("stop"):
                return stop_leftovers(state)
        except AlreadyRunningError:
            holder = state.holder()
            if time.monotonic() > deadline:
                raise
            if not asked and holder and "countersign" in command_line(holder):
                say(f"Stopping the launcher with pid {holder} ...")
                os.kill(holder, signal.SIGTERM)
                asked = True
            time.sleep(0.1)


def recorded(state: State) -> list[tuple[str, signal.Signals, Identity]]:
    """Return what the state directory lists: name, signal that stops it, identity; newest first."""
    try:
        records = json.loads(state.processes.read_text())
        return [
            (
                str(record["name"]),
                signal.Signals(record["stop_signal"]),
                Identity(pid=record["pid"], began=record["began"], marker=record["marker"]),
            )
            for record in reversed(records)
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def processes_in(directory: Path) -> list[int]:
    """Return the processes whose working directory is this one (Linux; elsewhere none are seen)."""
    found = []
    directory = directory.resolve()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == directory:
                found.append(int(entry.name))
    return found


def _signal(who: Identity, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(who.pid, number)


def _wait(who: Identity, *, until: float) -> None:
    while who.is_alive() and time.monotonic() < until:
        time.sleep(0.02)
