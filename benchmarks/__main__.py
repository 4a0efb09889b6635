"""`python -m benchmarks [--json]`: run inside the environment that `./countersign bench` makes."""

import argparse
import json
import os
import sys

import django


def main() -> None:
    """Print progress on standard error and the result on standard output."""
    parser = argparse.ArgumentParser(prog="countersign bench")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--runs", type=int, default=40, help="runs per workload (default 40)")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    from benchmarks import measure, report

    results = measure.everything(runs=options.runs, say=lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(report.nested(results)) if options.json else report.table(results))


if __name__ == "__main__":
    main()
