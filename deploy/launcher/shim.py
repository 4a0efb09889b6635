"""Become another program, as another user if asked, that dies when the launcher dies.

Run as `python shim.py PARENT SIGNAL UID GID COMMAND...`. Changing user clears the parent-death signal, so
both must happen here, in this order, after the fork; a `preexec_fn` could do it, but is unsafe and slow.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def _prctl_signal(number: int) -> None:
    """Ask Linux for a signal when the parent dies; elsewhere the next start cleans up."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def main(arguments: list[str]) -> None:
    parent, death_signal, uid, gid = (int(word) for word in arguments[:4])
    command = arguments[4:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        # A shell starts background jobs with SIGINT ignored, and exec would pass that on.
        signal.signal(number, signal.SIG_DFL)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    _prctl_signal(death_signal)
    if os.getppid() != parent:
        sys.exit("countersign: the launcher ended before this program began")
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    if sys.platform == "linux":
        # Before changing user: that user may not be able to read this Python's library.
        import ctypes

        _libc = ctypes.CDLL(None)
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"countersign: cannot start {sys.argv[5:6]}: {error}")
