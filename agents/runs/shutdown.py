"""Whether this worker is to stop: then runs are handed back at their next step instead of going on."""

import threading

_asked = threading.Event()


def request() -> None:
    """Ask every run of this process to be handed back at its next step."""
    _asked.set()


def is_requested() -> bool:
    """Tell whether the worker is to stop."""
    return _asked.is_set()
