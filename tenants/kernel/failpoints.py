"""Named places where a process kills itself: `make chaos` arms them, nothing else can.

The demo app, which is installed under demo settings only, arms them with the file that
`COUNTERSIGN_FAILPOINTS` names. While that file holds the name of a point, the first process to reach
the point takes the file away and kills itself with SIGKILL. Unarmed, a point costs one comparison.
"""

import os
import signal
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

NAMES = (
    "run.started",
    "run.start-committed",
    "run.claimed",
    "run.claim-committed",
    "run.resumed",
    "run.ended",
    "plan.before-commit",
    "plan.committed",
    "model.before-call",
    "model.after-call",
    "model.before-commit",
    "model.committed",
    "review.requested",
    "review.decided",
    "review.decision-committed",
    "approval.consumed",
    "tool.claimed",
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
    """Let this process die at the point that the file names; raise ImproperlyConfigured outside a demo."""
    global _FILE  # noqa: PLW0603  # set once, when the process starts
    if not settings.DEMO:
        raise ImproperlyConfigured("Failpoints exist under demo settings only.")
    _FILE = file


def hit(name: str) -> None:
    """Kill this process if this point is armed."""
    if _FILE is None:
        return
    try:
        if _FILE.read_text().strip() != name:
            return
        _FILE.rename(_FILE.with_name(f"{_FILE.name}.taken"))  # of several processes one wins
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
