"""Named places where a test may kill the process: `make chaos` arms them, nothing else does.

`COUNTERSIGN_FAILPOINTS` names a file; while it holds a line `name`, the first process to reach that
point takes the line away and kills itself with SIGKILL. Without the variable a point costs one
comparison. Production settings never read the file: the variable is ignored unless DEMO is set.
"""

import os
import signal
from pathlib import Path

NAMES = (
    "run.started",
    "run.start-committed",
    "run.claimed",
    "run.claim-committed",
    "run.resumed",
    "run.ended",
    "run.end-committed",
    "plan.before-commit",
    "plan.committed",
    "model.before-call",
    "model.after-call",
    "model.before-commit",
    "model.committed",
    "review.requested",
    "review.request-committed",
    "review.decided",
    "review.decision-committed",
    "approval.consumed",
    "tool.claimed",
    "tool.claim-committed",
    "tool.before-effect",
    "tool.after-effect",
    "tool.before-commit",
    "tool.committed",
    "ring.before-send",
    "ring.sent",
)
"""Every point there is, in the order in which a run meets them."""

_FILE: Path | None = None


def arm(file: Path) -> None:
    """Let this process die at the points named in the file."""
    global _FILE  # noqa: PLW0603  # set once, when the process starts
    _FILE = file


def hit(name: str) -> None:
    """Kill this process if the point is armed."""
    if _FILE is None:
        return
    try:
        lines = _FILE.read_text().splitlines()
    except OSError:
        return
    if name not in lines:
        return
    taken = _FILE.with_suffix(f".{os.getpid()}")
    try:
        _FILE.rename(taken)  # one process wins
    except OSError:
        return
    lines.remove(name)
    if lines:
        _FILE.write_text("\n".join(lines))
    os.kill(os.getpid(), signal.SIGKILL)
