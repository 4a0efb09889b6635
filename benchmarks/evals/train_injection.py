"""`python -m benchmarks.evals.train_injection CORPORA`: derive the weights of the injection model.

Learns from the half of the corpus whose group hashes to an even number; `eval` reports the other half by itself.
Words count only if many rows of several sources have them, so no text of the corpus can be read out of the
weights. Deterministic: the same corpus gives the same file.
"""

import argparse
import hashlib
import json
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from benchmarks.evals.corpora import rows
from governance.guardrails.injection import model

EPOCHS = 400
RATE = 0.6
L2_MARK, L2_WORD = 0.002, 0.0008
MIN_ROWS, MIN_GROUPS = 6, 6
KEPT_WORDS = 450
CAUTION = 0.2
"""Taken from the bias: what four-fold cross-validation within the learned half asks for 95 % precision."""


def is_learned_from(row: dict[str, Any]) -> bool:
    """Tell the half that is learned from."""
    return hashlib.sha256(row["group"].encode()).digest()[0] % 2 == 0


def main() -> None:
    """Write the weights beside the model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpora", type=Path)
    found = derive(
        [row for row in rows(parser.parse_args().corpora / "injection", "corpus") if is_learned_from(row)]
    )
    model.WEIGHTS.write_text(json.dumps(found, indent=0, ensure_ascii=False, sort_keys=True) + "\n")


def derive(learned: list[dict[str, Any]]) -> dict[str, float]:
    """Return the weights of a logistic regression with L2, by full-batch gradient descent from zero."""
    cases = [
        (model.look(stretch).features(), 1.0 if row["label"] == "malicious" else 0.0)
        for row in learned
        for _, stretch in _stretches(row)
    ]
    groups: defaultdict[str, set[str]] = defaultdict(set)
    count: Counter[str] = Counter()
    for row in learned:
        for name in model.look(row["text"][: model.WINDOW]).features():
            groups[name].add(row["source"])
            count[name] += 1
    usable = {
        name
        for name, times in count.items()
        if not name.startswith("w:") or (times >= MIN_ROWS and len(groups[name]) >= 3)
    }
    kept = _fit(cases, usable)
    words = sorted((n for n in kept if n.startswith("w:")), key=lambda n: -abs(kept[n]))[:KEPT_WORDS]
    kept = _fit(cases, {n for n in usable if not n.startswith("w:")} | set(words))
    kept["bias"] -= CAUTION
    return {name: round(weight, 3) for name, weight in kept.items() if abs(weight) >= 0.01 or name == "bias"}


def _stretches(row: dict[str, Any]) -> list[tuple[int, str]]:
    """Return what is learned of a row: of a long malicious one nothing, for nobody says where its order stands."""
    found = model.windows(row["text"])
    return found if len(found) == 1 or row["label"] != "malicious" else []


def _fit(cases: list[tuple[dict[str, float], float]], names: set[str]) -> dict[str, float]:
    weights = dict.fromkeys(sorted(names), 0.0)
    bias, size = 0.0, len(cases)
    positive = sum(label for _, label in cases)
    balance = {1.0: size / (2 * positive), 0.0: size / (2 * (size - positive))}
    vectors = [
        ([(name, value) for name, value in features.items() if name in weights], label)
        for features, label in cases
    ]
    for _ in range(EPOCHS):
        gradient: defaultdict[str, float] = defaultdict(float)
        drift = 0.0
        for vector, label in vectors:
            total = bias + sum(weights[name] * value for name, value in vector)
            error = balance[label] * (1 / (1 + math.exp(-total)) - label) / size
            drift += error
            for name, value in vector:
                gradient[name] += error * value
        bias -= RATE * 4 * drift
        for name in weights:
            penalty = (L2_WORD if name.startswith("w:") else L2_MARK) * weights[name]
            rate = RATE * (40 if name.startswith("w:") else 8)
            weights[name] -= rate * (gradient[name] + penalty)
    return {**weights, "bias": bias}


if __name__ == "__main__":
    main()
