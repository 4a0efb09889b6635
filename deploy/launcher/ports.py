"""Ports: the one users see is theirs to choose, the others are whatever is free."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Mapping

from launcher.errors import LauncherError

DEFAULT_PORT = 8000
HIGHEST_PORT = 65535
LOOPBACK = "127.0.0.1"
BELOW_EPHEMERAL = (15_000, 32_000)
"""Where the kernel picks no ports for outgoing connections, which could take one that was free just now."""
ATTEMPTS = 100


def wanted_port(environ: Mapping[str, str]) -> int:
    """Return the port the user asked for with PORT."""
    text = environ.get("PORT") or str(DEFAULT_PORT)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= HIGHEST_PORT:
        raise LauncherError(f"PORT must be a number from 1 to {HIGHEST_PORT}, not {text!r}")
    return int(text)


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on now."""
    for _ in range(ATTEMPTS):
        port = random.randrange(*BELOW_EPHEMERAL)  # noqa: S311  # not a secret
        if _why_unusable(socket.AF_INET, LOOPBACK, port) is None:
            return port
    raise LauncherError("No free port was found; stop some programs and run this again")


def check_free(port: int) -> None:
    """Raise if somebody listens on the port; on ::1 too, where browsers look for localhost first."""
    for family, address in ((socket.AF_INET, LOOPBACK), (socket.AF_INET6, "::1")):
        reason = _why_unusable(family, address, port)
        if reason == errno.EADDRINUSE:
            raise LauncherError(
                f"Port {port} is in use; stop that program or run PORT={_another(port)} make demo"
            )
        if reason == errno.EACCES:
            raise LauncherError(f"Port {port} is reserved for root; run PORT=8000 make demo")


def _another(port: int) -> int:
    return next(other for other in (9000, 9001) if other != port)


def _why_unusable(family: socket.AddressFamily, address: str, port: int) -> int | None:
    try:
        with socket.socket(family) as sock:
            # Without this, connections that ended a moment ago would count as use.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
    except OSError as error:
        return error.errno
    return None


def is_listening(port: int) -> bool:
    """Return whether a local program takes connections on the port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
