"""How many fake keys are found, and how many other texts are taken for one."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.evals.corpora import rows
from benchmarks.evals.scoring import Tally
from governance.guardrails.checks.secrets import Secrets

THRESHOLD = 0.5


def measure(corpora: Path) -> dict[str, Any]:
    """Return recall and precision over whole texts: a text counts as found where anything in it is."""
    check, total, by_type = Secrets({}), Tally(), defaultdict[str, Tally](Tally)
    for row in rows(corpora / "pii", "secrets"):
        found = any(finding.score >= THRESHOLD for finding in check.scan(row["text"]))
        for tally in (total, by_type[row["type"]]):
            tally.add(expected=row["is_secret"], found=found)
    return total.figures() | {"by_type": {name: tally.figures() for name, tally in sorted(by_type.items())}}
