"""What the review page shows beside the review itself; each part asks the database once at most."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import CharField, OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, Left

from governance.audit.models import AuditEvent
from governance.policies.models import PolicyDecision
from governance.types import Effect
from hitl.reviews import provenance
from hitl.reviews.models import Review, Vote
from hitl.reviews.types import DecisionVerb
from tenants.kernel.jsonvalues import JsonObject
from tenants.templatetags.display import one_line

RUN_MODEL = "agents.Run"
SHOWN_APART = frozenset({"requester", "query", "agent", "steps", "usage", "preview", "details", "options"})
"""Members of the evidence that have a place of their own on the page."""
WHOLE_UP_TO = 64_000
"""Characters of all arguments as JSON that the page shows at once; of longer ones it asks to show all first."""
BEGINNING = 2_000
"""Characters of each value that are shown until then."""
SIMILAR = 20
TARGET_LENGTH = 60


def is_long(item: Review) -> bool:
    """Tell whether the arguments are too long to be shown without being asked for."""
    return len(json.dumps(item.arguments)) > WHOLE_UP_TO


def arguments(item: Review, *, whole: bool) -> list[dict[str, Any]]:
    """Return each argument as it stands, beside what the agent proposed and where its values appear."""
    found: dict[str, list[provenance.Finding]] = defaultdict(list)
    for finding in provenance.of(item):
        found[finding.pointer.split("/")[1].replace("~1", "/").replace("~0", "~")].append(finding)
    return [_argument(item, name, found[name], whole=whole) for name in item.argument_names]


def _argument(item: Review, name: str, findings: list[provenance.Finding], *, whole: bool) -> dict[str, Any]:
    added, removed = name not in item.arguments_proposed, name not in item.arguments
    value, proposed = item.arguments.get(name), item.arguments_proposed.get(name)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    shown = text if whole else text[:BEGINNING]
    return {
        "name": name,
        "value": value,
        "text": shown,
        "hidden": f"{len(text) - len(shown):,}" if len(text) > len(shown) else "",
        "proposed": proposed,
        "added": added,
        "removed": removed,
        "changed": added or removed or json.dumps(proposed) != json.dumps(value),
        "description": item.parameters.get("properties", {}).get(name, {}).get("description", ""),
        "findings": findings,
    }


def target(item: Review) -> dict[str, str] | None:
    """Return the first short required argument: what the call acts on, as far as its schema tells."""
    for name in item.parameters.get("required", ()):
        value = item.arguments.get(name)
        if isinstance(value, str) and 0 < len(value) <= TARGET_LENGTH:
            return {"name": name, "value": value}
    return None


def edits(votes: Iterable[Vote]) -> list[Vote]:
    """Return the votes that changed the arguments, in order."""
    return [vote for vote in votes if vote.patch]


def similar(item: Review) -> list[dict[str, Any]]:
    """Return the last decided calls of the same tool, those of the same shape first, with how they ended."""
    if item.kind != Review.Kind.TOOL_CALL:
        return []
    last = Vote.objects.filter(review=OuterRef("pk")).order_by("-id")
    past: QuerySet[Any] = Review.objects.filter(
        tool=item.tool, kind=item.kind, decided_at__isnull=False
    ).exclude(pk=item.pk)
    rows = past.order_by("-decided_at").values(
        "pk",
        "status",
        "shape",
        "decided_at",
        "effect_outcome",
        "requester__username",
        brief=Left(Cast("arguments", TextField()), 400),
        verb=Subquery(last.values("decision")[:1], output_field=CharField()),
        by=Subquery(last.values("reviewer__username")[:1], output_field=CharField()),
        why=Left(Subquery(last.values("message")[:1]), 160),
    )[:SIMILAR]
    found = [
        {
            **row,
            "same": row["shape"] == item.shape,
            "about": _about(item, row["brief"]),
            "ended": _ended(row["status"], row["verb"]),
        }
        for row in rows
    ]
    return sorted(found, key=lambda row: not row["same"])


def _ended(status: str, last: str | None) -> str:
    is_sent_back = status == Review.Status.REJECTED and last == DecisionVerb.FEEDBACK
    return "sent_back" if is_sent_back else status


def _about(item: Review, brief: str) -> str:
    try:
        values = json.loads(brief)
    except ValueError:  # cut in the middle
        return brief[:160]
    names = [name for name in item.argument_names if name in values]
    return one_line({name: values[name] for name in dict.fromkeys([*names, *values])})


def shares(past: Sequence[dict[str, Any]]) -> str:
    """Return how the past decisions ended, in a few words."""
    counted: dict[str, int] = defaultdict(int)
    for row in past:
        counted[row["ended"]] += 1
    return ", ".join(f"{count} {ended.replace('_', ' ')}" for ended, count in counted.items())


def run_now(item: Review) -> JsonObject | None:
    """Return the state of the run as it is now; None where the review is about no run."""
    if item.run_id is None:
        return None
    names = ("status", "input_tokens", "output_tokens", "created_at", "pause_requested", "requester_id")
    runs: Any = apps.get_model(RUN_MODEL).objects
    row: JsonObject | None = runs.filter(pk=item.run_id).values(*names).first()
    return row


def effect(item: Review) -> AuditEvent | None:
    """Return what the audit log says that the call led to."""
    is_open_call = item.kind == Review.Kind.TOOL_CALL and item.status == Review.Status.PENDING
    if is_open_call or item.run_id is None or item.step_id is None:
        return None
    events = AuditEvent.objects.filter(run_id=item.run_id, step_id=item.step_id)
    return events.filter(action__in=["tool.succeeded", "tool.failed"]).order_by("-id").first()


def sent(item: Review) -> datetime | None:
    """Return when the call whose outcome is asked about was sent: its permit was used then."""
    if item.kind != Review.Kind.OUTCOME or item.run_id is None or item.step_id is None:
        return None
    permits = PolicyDecision.objects.filter(run_id=item.run_id, step_id=item.step_id, effect=Effect.PERMIT)
    used = permits.filter(consumed_at__lte=item.created_at).order_by("-consumed_at")
    return used.values_list("consumed_at", flat=True).first()


def others(item: Review) -> tuple[list[Review], list[Review]]:
    """Return the reviews of the same step that came before, and those that came after."""
    if item.step_id is None:
        return [], []
    small = Review.objects.filter(step_id=item.step_id).exclude(pk=item.pk).order_by("pk")
    found = list(small.only("pk", "kind", "status", "supersedes_id"))
    return [one for one in found if one.pk < item.pk], [one for one in found if one.pk > item.pk]


def besides(item: Review) -> JsonObject:
    """Return what is known besides, without what has a place of its own."""
    return {name: value for name, value in item.evidence.items() if name not in SHOWN_APART and value}
