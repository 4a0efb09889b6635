"""The command line of `./countersign`."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

from launcher import interrupts
from launcher.commands import COMMANDS
from launcher.errors import LauncherError
from launcher.project import Project

INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    name, *rest = arguments or ["help"]
    if name in ("help", "-h", "--help"):
        print(usage())
        return 0
    if name not in COMMANDS:
        print(f"countersign: there is no command {name!r}; ./countersign help lists them", file=sys.stderr)
        return 2
    interrupts.install()
    try:
        return COMMANDS[name](Project.here(), rest)
    except LauncherError as error:
        print(f"countersign: {error}", file=sys.stderr)
        for line in error.tail.strip().splitlines():
            print(f"    {line}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"countersign: {describe(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def usage() -> str:
    """List the commands."""
    lines = [f"  {name:<11} {(command.__doc__ or '').splitlines()[0]}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: ./countersign COMMAND [ARGUMENTS]", "", *lines])


def describe(error: OSError) -> str:
    """Say what to do about the two things that go wrong with files, and what happened for the rest."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"the disk is full ({error.filename}); free some space and run this again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"{error.filename} belongs to another user; run this as that user, or give it to yourself"
        case _:
            return f"{error.strerror or error}: {error.filename}"
