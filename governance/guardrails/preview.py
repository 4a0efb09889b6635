"""A text cut at its findings, for pages. Pure."""

from dataclasses import dataclass

from governance.guardrails.engine import Screening


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text, and what was found there; no label where nothing was."""

    text: str
    label: str = ""
    rule: str = ""
    percent: int = 0


def pieces(text: str, screening: Screening) -> list[Piece]:
    """Return the text in order, cut where findings begin and end; what overlaps an earlier one is left out."""
    found, end = [], 0
    for hit in sorted(screening.hits, key=lambda h: h.finding.start):
        finding = hit.finding
        if finding.end <= finding.start or finding.start < end:
            continue
        found.append(Piece(text[end : finding.start]))
        marked = text[finding.start : finding.end]
        found.append(Piece(marked, finding.label, finding.rule, round(finding.score * 100)))
        end = finding.end
    return [piece for piece in [*found, Piece(text[end:])] if piece.text]
