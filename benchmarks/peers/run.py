"""`python -P benchmarks/peers/run.py PEER`: open one peer, then do what each line of standard input asks.

The first line out holds the versions; then for each line `RUNS AT_ONCE` in, one with what they took.
"""

import importlib
import importlib.metadata
import json
import sys
import time
from pathlib import Path

# Last, and `-P` keeps this folder out: the peers' packages are to be found before ours, some have the same name.
sys.path.append(str(Path(__file__).resolve().parents[2]))


def main() -> None:
    """Measure as told, until the end of standard input."""
    peer = importlib.import_module(f"benchmarks.peers.{sys.argv[1]}")
    with peer.opened() as many:
        print(json.dumps({name: importlib.metadata.version(name) for name in peer.PACKAGES}), flush=True)
        for line in sys.stdin:
            runs, at_once = map(int, line.split())
            started, cpu_started = time.perf_counter(), time.process_time()
            many(runs, at_once)
            wall, cpu = time.perf_counter() - started, time.process_time() - cpu_started
            print(json.dumps({"wall_s": wall, "cpu_s": cpu}), flush=True)


if __name__ == "__main__":
    main()
