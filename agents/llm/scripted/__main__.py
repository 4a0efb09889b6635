"""Start the scripted model: `python -m agents.llm.scripted --port 8081 --scripts DIR`."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from agents.llm.scripted.loading import load_directory
from agents.llm.scripted.server import ScriptedServer
from agents.llm.scripted.table import ScriptError


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status (2: a script or the address is no good)."""
    options = _parse(argv)
    try:
        server = ScriptedServer((options.host, options.port), load_directory(options.scripts))
    except (ScriptError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for serve_forever(), which runs in this very thread.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    with server:
        print(f"listening on {server.url}", flush=True)
        server.serve_forever(poll_interval=0.1)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m agents.llm.scripted", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 takes a free one")
    parser.add_argument("--scripts", type=Path, required=True, help="folder of script files (*.toml)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
