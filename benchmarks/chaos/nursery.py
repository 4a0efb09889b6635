"""Fork processes that have imported the platform already, so that a killed one is replaced at once.

`python -m benchmarks.chaos.nursery` reads one JSON object a line, `{"name", "role", "arguments", "log"}`, and
writes `{"name", "pid"}` when it has forked and `{"pid", "status"}` when a child has ended. Nothing of
the platform has run before the fork: there is no connection and no thread that a child could inherit.
"""

import ctypes
import importlib
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
POLL_S = 0.02


def main() -> None:
    """Import the platform, then fork what is asked for until the standard input ends."""
    import django

    django.setup()
    from config.celery import app

    app.loader.import_default_modules()
    importlib.import_module("config.asgi")
    _say({"ready": True})
    waiting = b""
    while True:
        if select.select([0], [], [], POLL_S)[0]:
            data = os.read(0, 65536)
            if not data:
                return
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _become(order)
                _say({"name": order["name"], "pid": pid})
        _bury()


def _bury() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _say({"pid": pid, "status": os.waitstatus_to_exitcode(status)})


def _become(order: dict[str, Any]) -> NoReturn:
    """Turn this fork into a worker, beat or web process."""
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        with Path(order["log"]).open("ab") as log, Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        match order["role"]:
            case "web":
                import uvicorn

                uvicorn.main.main(order["arguments"], standalone_mode=False)
            case _:
                from config.celery import app

                app.start([order["role"], *order["arguments"]])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _say(message: dict[str, Any]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
