"""Questions about sessions. A session has no row of its own: its runs share requester, agent and session_id."""

from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform

from agents.runs.models import Run

SAME = {name: OuterRef(name) for name in ("requester", "agent", "session_id")}


def latest_runs(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Return those of `runs` that are the last of their session.

    With the session's size as `run_count` and its first request as `opening`.
    """
    session = Run.objects.filter(**SAME).order_by()
    size = session.values("session_id").annotate(size=Count("pk")).values("size")
    opening = session.order_by("pk").values(query=KeyTextTransform("query", "input"))[:1]
    return (
        runs.exclude(session_id="")
        .exclude(Exists(session.filter(pk__gt=OuterRef("pk"))))
        .annotate(run_count=Subquery(size), opening=Subquery(opening))
        .order_by("-pk")
    )


def conversation(run: Run) -> QuerySet[Run]:
    """Return the runs of a run's session, first to last; a run without a session is alone."""
    if not run.session_id:
        return Run.objects.filter(pk=run.pk)
    return Run.objects.filter(
        requester=run.requester_id, agent=run.agent_id, session_id=run.session_id
    ).order_by("pk")
