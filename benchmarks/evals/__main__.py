"""`python -m benchmarks.evals [--json] [--only ...] [--corpora DIR]`: what `./countersign eval` runs.

A part is a module of this package with `measure(corpora) -> dict`. It looks into the folder of its own name
there; without that folder it is absent from the result.
"""

import argparse
import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.evals import report
from benchmarks.evals.corpora import DEFAULT

FOLDERS = {"agentdojo": "agentdojo", "injection": "injection", "pii": "pii", "secrets": "pii"}


def say(text: str) -> None:
    """Print one line of progress."""
    print(text, file=sys.stderr, flush=True)


def everything(corpora: Path, *, only: list[str]) -> dict[str, Any]:
    """Return what each part found, by its name; what cannot be measured here is absent."""
    found = {}
    for name in only:
        module = f"benchmarks.evals.{name}"
        if not (corpora / FOLDERS[name]).is_dir():
            say(f"{name}: there is no folder {corpora / FOLDERS[name]}")
        elif importlib.util.find_spec(module) is None:
            say(f"{name}: nothing measures it yet")
        else:
            say(f"{name} ...")
            found[name] = importlib.import_module(module).measure(corpora)
    return found


def main() -> None:
    """Print progress on standard error and the result on standard output."""
    parser = argparse.ArgumentParser(prog="countersign eval")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--only", default=",".join(FOLDERS), help="comma-separated (default: %(default)s)")
    parser.add_argument(
        "--corpora",
        type=Path,
        default=Path(os.environ.get("COUNTERSIGN_EVALS") or DEFAULT),
        help="the folder of the cases (default: COUNTERSIGN_EVALS or %(default)s)",
    )
    options = parser.parse_args()
    only = options.only.split(",")
    if unknown := set(only) - set(FOLDERS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    found = everything(options.corpora, only=only)
    print(json.dumps(found) if options.json else report.table(found))


if __name__ == "__main__":
    main()
