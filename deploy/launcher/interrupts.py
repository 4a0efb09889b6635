"""Ctrl-C, SIGTERM and a closed terminal all mean: stop everything, in order, and only once."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from launcher.processes import Children, through_shim

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def install() -> None:
    """Let all three raise KeyboardInterrupt, even where a shell had them ignored; nohup keeps its meaning."""
    for number in _SIGNALS:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


@contextmanager
def stopping(children: Children) -> Iterator[None]:
    """While stopping, a second Ctrl-C kills what is left instead of breaking off half-way."""

    def hurry(_number: int, _frame: FrameType | None) -> None:
        children.in_a_hurry = True

    before = {number: signal.signal(number, hurry) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def foreground(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> int:
    """Run a command on the user's terminal; return its exit code, 128 + N if signal N ended it.

    The terminal sends Ctrl-C to the command as well, so the launcher only waits for its answer to it.
    """
    argv = through_shim(argv, death_signal=signal.SIGKILL)
    with subprocess.Popen(argv, env=dict(env), cwd=cwd) as process:

        def pass_on(number: int, _frame: FrameType | None) -> None:
            if number != signal.SIGINT:
                process.send_signal(number)

        before = {number: signal.signal(number, pass_on) for number in _SIGNALS}
        try:
            code = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
