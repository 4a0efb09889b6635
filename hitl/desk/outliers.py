"""Which of many calls of one shape stand out. Pure.

Numbers by the modified z-score of Iglewicz and Hoaglin (1993): 0.6745 (x - median) / MAD, or where the
median absolute deviation is 0, (x - median) / (1.2533 * mean absolute deviation); above 3.5 stands out.
Texts by their length in the same way, and where values repeat, by how rare a value is.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

LIMIT = 3.5
MAD_SCALE, MEAN_SCALE = 0.6745, 1.253314
COMMON, RARE = 0.5, 0.1
"""A value is rare if at most a tenth have it while some other value has at least half."""
FEWEST = 4
"""Among fewer calls nothing is usual."""
RARE_SCORE = 4.0
ABSENT = "(absent)"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far one call is from the others, and by which arguments."""

    score: float = 0.0
    reasons: tuple[tuple[str, str], ...] = ()


def flattened(value: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of a JSON value by their dotted path; the path of a list's members is `name[]`."""
    match value:
        case dict() if value:
            pairs = [flattened(member, f"{path}.{name}" if path else name) for name, member in value.items()]
        case list() if value:
            counted: Counter[str] = Counter()
            pairs = []
            for member in value:
                for name, leaf in flattened(member, f"{path}[]").items():
                    counted[name] += 1
                    pairs.append({name if counted[name] == 1 else f"{name} {counted[name]}": leaf})
        case _:
            return {path: value}
    return {name: leaf for pair in pairs for name, leaf in pair.items()}


def standings(calls: Sequence[Mapping[str, Any]]) -> list[Standing]:
    """Return for each call's arguments how much they stand out, in the order given."""
    if len(calls) < FEWEST:
        return [Standing() for _ in calls]
    flat = [flattened(dict(call)) for call in calls]
    scores, reasons = [0.0] * len(flat), [list[tuple[str, str]]() for _ in flat]
    for path in dict.fromkeys(name for leaves in flat for name in leaves):
        for number, score, why in _of_argument([leaves.get(path, ABSENT) for leaves in flat]):
            scores[number] = max(scores[number], score)
            reasons[number].append((path, why))
    return [Standing(score=score, reasons=tuple(why)) for score, why in zip(scores, reasons, strict=True)]


def _of_argument(values: Sequence[Any]) -> list[tuple[int, float, str]]:
    if all(_is_number(value) for value in values):
        middle = median(values)
        found = []
        for number, score in enumerate(robust_scores(values)):
            if abs(score) > LIMIT:
                side = "above" if score > 0 else "below"
                found.append((number, abs(score), f"far {side} the usual {middle:g}"))
        return found
    found = _rare(values)
    if all(isinstance(value, str) for value in values):
        lengths = [len(value) for value in values]
        known = {number for number, _, _ in found}
        for number, score in enumerate(robust_scores(lengths)):
            if score > LIMIT and lengths[number] > 2 * median(lengths) and number not in known:
                found.append((number, score, f"{lengths[number]} characters, usual are {median(lengths):g}"))
    return found


def robust_scores(values: Sequence[float]) -> list[float]:
    """Return the modified z-score of each value; 0 for all where all are equal."""
    middle = median(values)
    away = [abs(value - middle) for value in values]
    if mad := median(away):
        return [MAD_SCALE * (value - middle) / mad for value in values]
    if mean := fmean(away):
        return [(value - middle) / (MEAN_SCALE * mean) for value in values]
    return [0.0] * len(values)


def _rare(values: Sequence[Any]) -> list[tuple[int, float, str]]:
    keys = [(type(value).__name__, str(value)) for value in values]
    counts = Counter(keys)
    most = counts.most_common(1)[0][1]
    if most < COMMON * len(values):
        return []
    limit = max(1, int(RARE * len(values)))
    return [
        (number, RARE_SCORE, f"{counts[key]} of {len(values)} have this")
        for number, key in enumerate(keys)
        if counts[key] <= limit and counts[key] != most
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
