"""Tell a process we started from a stranger that was given the same pid later."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_LINUX = sys.platform == "linux"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A pid, when its process began, and a word its command line contains."""

    pid: int
    began: str
    marker: str

    def is_alive(self) -> bool:
        """Return whether this very process still runs."""
        command = command_line(self.pid)
        # A process that is just ending has lost its command line, but still holds its files.
        return began(self.pid) == self.began and (not command or self.marker in command)


def began(pid: int) -> str | None:
    """Return when a process began, in a form that differs after a reboot; None if it is over."""
    if not _LINUX:
        state, _, when = _ps(pid, "stat=,lstart=").partition(" ")
        return when.strip() or None if not state.startswith("Z") else None
    try:
        # The second field is the program's name in brackets and may itself hold spaces or brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    # A zombie does nothing any more; some containers have no init that buries it.
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def command_line(pid: int) -> str:
    """Return the command line of a process, or nothing if it is over."""
    if not _LINUX:
        return _ps(pid, "command=")
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _ps(pid: int, columns: str) -> str:
    result = subprocess.run(
        ["ps", "-o", columns, "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return result.stdout.strip()
