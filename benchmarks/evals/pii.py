"""How much personal data is found, and how much else is taken for it."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.evals.corpora import rows
from benchmarks.evals.scoring import Tally
from governance.guardrails.checks.pii import LABELS, PersonalData
from governance.guardrails.types import Finding

THRESHOLD = 0.5
SAME = {"STREET_ADDRESS": "LOCATION", "GPE": "LOCATION", "ZIP_CODE": "LOCATION", "URL": "DOMAIN_NAME"}


def measure(corpora: Path) -> dict[str, Any]:
    """Return recall and precision over spans, of both files together and of each.

    A label is found where a finding of it overlaps the labelled span. In `sentences` everything the corpus labels is
    looked for at the usual threshold. In `recognisers`, as in the tests they come from, one label is looked for alone,
    and any match counts. Parts of postal addresses count as one label.
    """
    total, by_type = Tally(), defaultdict[str, Tally](Tally)
    parts = {"sentences": Tally(), "recognisers": Tally()}
    sentences = list(rows(corpora / "pii", "pii_sentences"))
    labels = sorted({span["type"] for row in sentences for span in row["spans"]} & LABELS)
    check = PersonalData({"labels": labels})
    for row in sentences:
        findings = [finding for finding in check.scan(row["text"]) if finding.score >= THRESHOLD]
        _count(findings, row, (total, parts["sentences"]), by_type)
    alone: dict[str, PersonalData] = {}
    for row in rows(corpora / "pii", "pii_recognizer"):
        label = row["entity"]
        if label not in LABELS:
            for tally in (total, parts["recognisers"], by_type[label]):
                tally.missed += len(row["spans"])
            continue
        one = alone.setdefault(label, PersonalData({"labels": [label], "weak": True}))
        _count(one.scan(row["text"]), row, (total, parts["recognisers"]), by_type)
    return {
        **total.figures(),
        **{name: tally.figures() for name, tally in parts.items()},
        "by_type": {name: tally.figures() for name, tally in sorted(by_type.items())},
    }


def _count(
    findings: Iterable[Finding],
    row: dict[str, Any],
    tallies: tuple[Tally, Tally],
    by_type: defaultdict[str, Tally],
) -> None:
    found = [(_same(f.label), f.start, f.end) for f in findings]
    wanted = [(_same(span["type"]), span["start"], span["end"]) for span in row["spans"]]
    for span in wanted:
        for tally in (*tallies, by_type[span[0]]):
            tally.add(expected=True, found=any(_meet(span, other) for other in found))
    for other in found:
        if not any(_meet(span, other) for span in wanted):
            for tally in (*tallies, by_type[other[0]]):
                tally.add(expected=False, found=True)


def _same(label: str) -> str:
    return SAME.get(label, label)


def _meet(one: tuple[str, int, int], other: tuple[str, int, int]) -> bool:
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]
