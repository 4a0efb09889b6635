"""`python -m benchmarks`: run inside the environment that `./countersign bench` makes."""

import argparse
import json
import os
import sys

import django


def main() -> None:
    """Print progress on standard error and the result on standard output."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    from benchmarks import measure, report

    parser = argparse.ArgumentParser(prog="countersign bench")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--quick", action="store_true", help="about a minute, with fewer repetitions")
    parser.add_argument(
        "--only",
        default=",".join(measure.WORKLOADS),
        help="workloads, comma-separated (default: %(default)s)",
    )
    options = parser.parse_args()
    only = options.only.split(",")
    if unknown := set(only) - set(measure.WORKLOADS):
        parser.error(f"there is no workload {', '.join(sorted(unknown))}")

    size = measure.QUICK if options.quick else measure.FULL
    results = measure.everything(size, only=only, say=lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(report.nested(results)) if options.json else report.table(results, report.GOALS))


if __name__ == "__main__":
    main()
