"""`python -m benchmarks.chaos [--kills N] [--seed S] [--fast] [--json]`: what `./countersign chaos` runs."""

import argparse
import json
import secrets
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy"))

from benchmarks.chaos import profiles, report
from benchmarks.chaos.judge import judge
from benchmarks.chaos.people import People
from benchmarks.chaos.siege import Siege
from benchmarks.chaos.watch import Watch
from benchmarks.chaos.world import opened

KILLS = 1000


def say(text: str) -> None:
    """Print one line of progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Lay siege to a stack of its own; return 1 if anything was lost, done twice or kept from people."""
    parser = argparse.ArgumentParser(
        prog="countersign chaos", description="Kill processes and count the damage."
    )
    parser.add_argument("--kills", type=int, default=KILLS, help=f"processes to kill (default {KILLS})")
    parser.add_argument("--seed", type=int, help="repeat the menu of an earlier run (default: a new one)")
    parser.add_argument("--fast", action="store_true", help="short leases, as the test suite uses them")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--logs", type=Path, help="copy what the processes wrote to this directory")
    options = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    say(f"seed {seed}")
    with opened(profiles.FAST if options.fast else profiles.PRODUCTION, seed=seed) as world:
        siege = Siege(world=world, people=People(world), watch=Watch(world), seed=seed, say=say)
        siege.lay(kills=options.kills)
        verdict = judge(world, siege.people, siege.watch)
        result = report.figures(siege, verdict)
        for finding in report.findings(siege, verdict):
            say(finding)
        if options.logs:
            shutil.copytree(world.stack.state.logs, options.logs, dirs_exist_ok=True)
    print(json.dumps(result) if options.json else report.table(result))
    return 0 if report.is_good(result) else 1


if __name__ == "__main__":
    sys.exit(main())
