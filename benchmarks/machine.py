"""What the machine says: how fast it is right now, and the CPU time and memory of each part of the stack."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
SPIN_ITERATIONS = 2_000_000
PARTS = {"web": "web", "worker": "worker", "beat": "beat", "postgres": "postgres", "valkey": "redis"}
Figures = dict[str, float]


def spin_ms() -> float:
    """Return the median milliseconds of five rounds of a fixed loop: it grows when others use the cores."""
    times = []
    for _ in range(5):
        started, total = time.perf_counter(), 0
        for number in range(SPIN_ITERATIONS):
            total += number
        times.append((time.perf_counter() - started) * 1000)
    return median(times)


def load() -> float:
    """Return how many processes wanted a core, on average over the last minute."""
    return os.getloadavg()[0]


@dataclass(frozen=True, kw_only=True)
class Process:
    """One running program of the stack: `name` is the part it belongs to."""

    name: str
    pid: int
    is_child: bool

    @property
    def cpu_ms(self) -> float:
        """Return its CPU time; a parent's includes that of children that have ended."""
        fields = _stat(self.pid)
        return sum(fields[11:13] if self.is_child else fields[11:15]) * TICK_MS

    @property
    def rss_mb(self) -> float:
        """Return its resident set now; for PostgreSQL, whose processes share most of it, its proportional set."""
        if self.name == "postgres":
            return _kilobytes(Path(f"/proc/{self.pid}/smaps_rollup"), "Pss") / 1024
        return _kilobytes(Path(f"/proc/{self.pid}/status"), "VmRSS") / 1024

    @property
    def peak_rss_mb(self) -> float:
        """Return its largest resident set so far; for PostgreSQL the same as `rss_mb`."""
        if self.name == "postgres":
            return self.rss_mb
        return _kilobytes(Path(f"/proc/{self.pid}/status"), "VmHWM") / 1024


def processes() -> Iterator[Process]:
    """Return the programs of the stack and their children."""
    started = json.loads((Path(os.environ["COUNTERSIGN_STATE"]) / "processes.json").read_text())
    for program in started:
        name = PARTS.get(program["name"], program["name"])
        yield Process(name=name, pid=program["pid"], is_child=False)
        for child in _children(program["pid"]):
            yield Process(name=name, pid=child, is_child=True)


def cpu_ms() -> Figures:
    """Return the CPU milliseconds that each part has used so far; a tick is 10 ms."""
    return _sum((process.name, process.cpu_ms) for process in processes())


def rss_mb() -> Figures:
    """Return each part's memory now, in MB."""
    return _sum((process.name, process.rss_mb) for process in processes())


def peak_rss_mb() -> Figures:
    """Return each part's memory at its peak, in MB."""
    return _sum((process.name, process.peak_rss_mb) for process in processes())


def _sum(pairs: Iterator[tuple[str, float]]) -> Figures:
    total: Figures = {}
    for name, value in pairs:
        total[name] = total.get(name, 0.0) + value
    return total


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def _stat(pid: int) -> list[int]:
    """Return the numbers of /proc/PID/stat after the name; zeros for a process that has just ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except (FileNotFoundError, ProcessLookupError):
        return [0] * 20
    return [0, *(int(field) for field in text.split()[1:20])]


def _kilobytes(path: Path, name: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
