"""What the checks reach on third-party cases, where those are present."""

import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evals import injection, pii, secrets
from benchmarks.evals.corpora import DEFAULT

CORPORA = Path(os.environ.get("COUNTERSIGN_EVALS") or DEFAULT)


@pytest.mark.parametrize(
    ("part", "folder", "recall", "precision"),
    [(injection, "injection", 0.70, 0.90), (pii, "pii", 0.90, 0.90), (secrets, "pii", 0.90, 0.95)],
)
def test_recall_and_precision(part: Any, folder: str, recall: float, precision: float) -> None:
    if not (CORPORA / folder).is_dir():
        pytest.skip(f"there is no folder {CORPORA / folder}")
    found = part.measure(CORPORA)
    assert found["recall"] >= recall
    assert found["precision"] >= precision
