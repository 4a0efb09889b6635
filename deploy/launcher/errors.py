"""What the launcher tells its user when it cannot go on."""

from __future__ import annotations


class LauncherError(Exception):
    """Something the user can act on: one line that says what to do, and perhaps the end of a log."""

    def __init__(self, message: str, *, tail: str = "") -> None:
        super().__init__(message)
        self.tail = tail


class AlreadyRunningError(LauncherError):
    """Another launcher holds this state directory."""
