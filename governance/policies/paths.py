"""What a rule may ask about: every path with its kind and its name in words. Pure."""

from dataclasses import dataclass
from enum import StrEnum

ARGUMENTS = "args"
OPEN_ROOTS = frozenset({ARGUMENTS, "result"})
"""Roots whose members are not known beforehand: what a tool takes and gives."""
OPEN_BELOW = frozenset({"run.tool_counts", "run.effects", "cost.remaining", "agent.labels"})
"""Paths under which any name may stand."""
MAX_PATH, MAX_SEGMENTS = 200, 10


class Kind(StrEnum):
    """What stands at a path."""

    TEXT = "text"
    NUMBER = "number"
    TRUTH = "truth"
    LIST = "list"
    OBJECT = "object"
    ANY = "any"


@dataclass(frozen=True, kw_only=True)
class Known:
    """A path that rules may read."""

    path: str
    label: str
    kind: Kind
    group: str


def _known(group: str, *rows: tuple[str, str, Kind]) -> list[Known]:
    return [Known(path=path, label=label, kind=kind, group=group) for path, label, kind in rows]


PATHS: dict[str, Known] = {
    known.path: known
    for known in [
        *_known(
            "The call",
            ("tool.name", "the tool", Kind.TEXT),
            ("tool.risk", "the tool's risk", Kind.TEXT),
            ("tool.effect", "what repeating the tool does", Kind.TEXT),
            ("tool.consequential", "the tool changes something", Kind.TRUTH),
            ("tool.reversible", "the tool can be undone", Kind.TRUTH),
            ("tool.level", "the tool's security level", Kind.TEXT),
            ("tool.server", "the tool's MCP server", Kind.TEXT),
            ("tool.schema_hash", "the version of the tool's schema", Kind.TEXT),
        ),
        *_known(
            "The person",
            ("user.name", "the person", Kind.TEXT),
            ("user.id", "the person's number", Kind.NUMBER),
            ("user.groups", "the person's groups", Kind.LIST),
            ("user.acr", "how the person signed in", Kind.TEXT),
            ("user.mfa", "the person signed in with a second factor", Kind.TRUTH),
            ("act_chain", "who acts for whom", Kind.LIST),
        ),
        *_known(
            "The agent",
            ("agent.name", "the agent", Kind.TEXT),
            ("agent.id", "the agent's id", Kind.TEXT),
            ("agent.blueprint", "the agent's blueprint", Kind.TEXT),
            ("agent.version", "the agent's version", Kind.NUMBER),
            ("agent.level", "the agent's security level", Kind.TEXT),
            ("agent.labels", "the agent's labels", Kind.OBJECT),
        ),
        *_known(
            "The run",
            ("run.integrity", "the run's integrity", Kind.TEXT),
            ("run.sources", "the tools whose outside text the run has read", Kind.LIST),
            ("run.labels", "the run's labels", Kind.LIST),
            ("run.steps", "the steps that the run has taken", Kind.NUMBER),
            ("run.tool_counts", "how often the run has called each tool", Kind.OBJECT),
            ("run.effects", "how many effects of each kind the run had", Kind.OBJECT),
            ("run.id", "the run's id", Kind.TEXT),
        ),
        *_known(
            "Cost and model",
            ("cost.estimate", "the estimated cost in micro-dollars", Kind.NUMBER),
            ("cost.run_spent", "what the run has spent in micro-dollars", Kind.NUMBER),
            ("cost.remaining", "what is left of each budget", Kind.OBJECT),
            ("model.name", "the model", Kind.TEXT),
            ("model.provider", "the model's provider", Kind.TEXT),
        ),
        *_known(
            "Time and place",
            ("time.hour", "the hour", Kind.NUMBER),
            ("time.weekday", "the day of the week", Kind.TEXT),
            ("time.date", "the date", Kind.TEXT),
            ("time.utc", "the moment in UTC", Kind.TEXT),
            ("env.ip", "the address of who asked", Kind.TEXT),
            ("env.channel", "the channel", Kind.TEXT),
            ("tenant", "the tenant", Kind.TEXT),
        ),
    ]
}
ROOTS = OPEN_ROOTS | {path.partition(".")[0] for path in PATHS}


def kind_of(path: str) -> Kind:
    """Return what stands at a path that `problem` found nothing wrong with."""
    known = PATHS.get(path)
    return known.kind if known is not None else Kind.ANY


def problem(path: object) -> str:
    """Return what is wrong with a path, empty if a rule may read it."""
    if not isinstance(path, str) or not path or len(path) > MAX_PATH:
        return "Name a path, such as args.amount."
    segments = path.split(".")
    if not all(segments) or len(segments) > MAX_SEGMENTS:
        return f"'{path}' is no path: names joined by dots, at most {MAX_SEGMENTS}."
    root = segments[0]
    if root not in ROOTS:
        return f"There is no '{root}'. A path begins with {', '.join(sorted(ROOTS))}."
    if root in OPEN_ROOTS:
        return "" if len(segments) > 1 else f"Name a member, such as {root}.amount."
    if path in PATHS or ".".join(segments[:2]) in OPEN_BELOW:
        return ""
    members = ", ".join(sorted(known for known in PATHS if known.partition(".")[0] == root))
    return f"'{path}' is not known. There is {members}."


def in_words(path: str) -> str:
    """Return a path as people say it."""
    known = PATHS.get(path)
    if known is not None:
        return known.label
    root, _, rest = path.partition(".")
    if root == ARGUMENTS:
        return f"the argument {rest}"
    if root == "result":
        return f"the result's {rest}"
    head, _, name = path.rpartition(".")
    return f"{PATHS[head].label} ({name})" if head in PATHS else path
