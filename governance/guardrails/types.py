"""Values of guardrails. No Django."""

from dataclasses import dataclass
from enum import StrEnum

from tenants.kernel.jsonvalues import JsonObject


class Stage(StrEnum):
    """Where a text passes."""

    INPUT = "input"
    ARGUMENTS = "arguments"
    TOOL_OUTPUT = "tool_output"
    OUTPUT = "output"


class Action(StrEnum):
    """What a finding leads to, in rising order."""

    LOG = "log"
    REDACT = "redact"
    REQUIRE_APPROVAL = "require_approval"
    BLOCK = "block"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that a check found: where, by which rule, and how sure it is. Never the text itself."""

    check: str
    rule: str
    start: int = 0
    end: int = 0
    """Characters of the text at `pointer`; 0 to 0 for the value as a whole."""
    score: float
    """From 0 to 1."""
    label: str
    pointer: str = ""
    """The JSON pointer (RFC 6901) of the text in its value; empty for the value itself."""
    is_name: bool = False
    """It stands in the name of an object's member, which `pointer` then names."""

    def to_json(self) -> JsonObject:
        """Return what may be recorded and shown."""
        return {
            "check": self.check,
            "rule": self.rule,
            "label": self.label,
            "score": round(self.score, 2),
            "at": self.pointer,
            "span": [self.start, self.end],
        }


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One binding as the gate holds it: which check, where, and what a finding leads to."""

    id: str
    name: str
    stage: Stage
    check: str
    action: Action
    threshold: float
    tool: str = "*"
    agent: str = "*"
    restore_for_tools: bool = False
    marks_untrusted: bool = False
    author_id: int = 0
