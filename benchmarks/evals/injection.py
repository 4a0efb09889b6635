"""How many injections are found, and how many other texts are taken for one."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.evals.corpora import rows
from benchmarks.evals.scoring import Tally
from benchmarks.evals.train_injection import is_learned_from
from governance.guardrails.checks.injection import PromptInjection

THRESHOLD = 0.5
"""What the binding that every tenant begins with has."""
CONTEXT_AT = 2


def measure(corpora: Path) -> dict[str, Any]:
    """Return recall and precision over whole texts; `held_out` is the half that the weights were not learned from."""
    check = PromptInjection({})
    total, held_out, by_source = Tally(), Tally(), defaultdict[str, Tally](Tally)
    for row in rows(corpora / "injection", "corpus"):
        found = any(finding.score >= THRESHOLD for finding in check.scan(row["text"]))
        tallies = [total, by_source[source_of(row)]] + ([] if is_learned_from(row) else [held_out])
        for tally in tallies:
            tally.add(expected=row["label"] == "malicious", found=found)
    return {
        **total.figures(),
        "held_out": held_out.figures(),
        "by_source": {
            name: {**tally.figures(), "wrong": tally.wrong} for name, tally in sorted(by_source.items())
        },
    }


def source_of(row: dict[str, Any]) -> str:
    """Return the project a row comes from, and the family of its cases."""
    project, _, rest = str(row["source"]).partition(" ")
    name = project.partition("@")[0]
    family = rest.split(".")[0].split(" ")[0] if name.endswith("garak") else row["kind"]
    return f"{name} {family}".strip()
