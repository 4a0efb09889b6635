"""`python -m benchmarks.compare`: run inside the environment that `./countersign bench-peers` makes."""

import argparse
import json
import os
import sys

import django


def main() -> None:
    """Print progress on standard error and the result on standard output."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    from benchmarks import report
    from benchmarks.contestants import PEERS
    from benchmarks.rounds import FULL, QUICK, compared

    parser = argparse.ArgumentParser(prog="countersign bench-peers")
    parser.add_argument("--python", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--quick", action="store_true", help="about a minute, with fewer rounds")
    parser.add_argument(
        "--only", default=",".join(PEERS), help="peers, comma-separated (default: %(default)s)"
    )
    options = parser.parse_args()
    only = options.only.split(",")
    if unknown := set(only) - set(PEERS):
        parser.error(f"there is no peer {', '.join(sorted(unknown))}")
    found = report.nested(
        compared(
            QUICK if options.quick else FULL,
            only=only,
            python=options.python,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
    )
    print(json.dumps(found) if options.json else report.comparison(found))


if __name__ == "__main__":
    main()
