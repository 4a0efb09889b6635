"""The queue page: what waits, narrowed down, a page at a time, and the lists that people keep."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.postgres.aggregates import ArrayAgg
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied
from django.db.models import (
    BooleanField,
    Count,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    prefetch_related_objects,
)
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hitl.desk import batches, saved
from hitl.desk.batches import MAX_ITEMS
from hitl.desk.filters import ALL, CHOICES, DECIDED, DEFAULTS, ME, NOBODY, OVERDUE, YES, Filters
from hitl.desk.listing import after, cursor_of, listed, may_decide, overdue
from hitl.desk.models import SavedView
from hitl.reviews import eligibility, quorum
from hitl.reviews.models import Review
from hitl.reviews.predicates import Reviewer
from tenants.flags.operations import off_for_everybody
from tenants.kernel.errors import DomainError, NotFound, PermissionMissing

PAGE = 50
UNTRUSTED = "untrusted-influence"
CHIPS = {
    "q": "search",
    "requester": "asked by",
    "reviewer": "decided by",
    "assigned": "assigned to",
    "days": "within days",
}
"""What a chip calls a filter whose name in the address says too little."""
TABS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("waiting", "Waiting", {}),
    ("may", "For me to decide", {"may": YES}),
    ("mine", "Assigned to me", {"assigned": ME}),
    ("nobody", "Unassigned", {"assigned": NOBODY}),
    ("overdue", "Overdue", {"due": OVERDUE}),
    ("decided", "Decided", {"status": DECIDED}),
)

SELECTS = (
    ("status", "Status"),
    ("kind", "Kind"),
    ("risk", "Risk"),
    ("priority", "Priority"),
    ("assigned", "Assigned to"),
    ("due", "Due"),
    ("outcome", "Outcome"),
    ("days", "Within days"),
)
FIELDS = (
    ("agent", "Agent"),
    ("tool", "Tool"),
    ("requester", "Asked by"),
    ("queue", "Queue"),
    ("reviewer", "Decided by"),
)
WORDS = {"": "Any", "tool_call": "tool call", "soon": "within 15 min", "all": "any status"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One review of the list: who may decide it, how many approve it, and how many are like it."""

    review: Any
    may: bool
    together: bool
    approvals: int
    needed: int
    alike: int

    @property
    def untrusted(self) -> bool:
        """Tell whether untrusted content influenced the run before it proposed this."""
        return any(fact.get("code") == UNTRUSTED for fact in self.review.facts)


@login_required
@permission_required("hitl.view_review", raise_exception=True)
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """List reviews: those that wait, most pressing first, unless the address asks for others."""
    now = timezone.now()
    error: DomainError | None = None
    try:
        filters = Filters.parse(request.GET.dict())
        found = after(filters, listed(filters, user=request.user, now=now), request.GET.get("after", ""))
    except DomainError as raised:
        error, filters = raised, Filters()
        found = listed(filters, user=request.user, now=now)
    context = {"error": error, "filters": filters, "now": now, **_page(request, filters, found, now)}
    if request.headers.get("HX-Request"):
        return render(request, "hitl/_queue.html", context)
    context |= _form(filters)
    return render(request, "hitl/queue.html", context, status=error.status if error else 200)


def _page(request: HttpRequest, filters: Filters, found: Any, now: datetime) -> dict[str, Any]:
    """Return a page of the list, with the number of reviews in each tab and the words to filter by."""
    may = may_decide(request.user, now)
    counts = Review.objects.pending().aggregate(
        waiting=Count("pk"),
        may=Count("pk", filter=may),
        mine=Count("pk", filter=Q(assigned_to=request.user)),
        nobody=Count("pk", filter=Q(assigned_to=None)),
        overdue=Count("pk", filter=overdue(now)),
    )
    like_it = Review.objects.pending().filter(batches.fit(), shape=OuterRef("shape")).exclude(shape="")
    reviews = list(
        found.annotate(
            may=ExpressionWrapper(may, output_field=BooleanField()),
            together=ExpressionWrapper(
                batches.fit() & ~Exists(off_for_everybody("batch_decisions")), output_field=BooleanField()
            ),
            like_it=ArraySubquery(like_it.order_by().values("pk")[:MAX_ITEMS]),
        ).select_related("requester", "assigned_to")[: PAGE + 1]
    )
    more, reviews = len(reviews) > PAGE, reviews[:PAGE]
    return {
        "rows": _rows(reviews, request.user),
        "pending_total": counts["waiting"],
        "next": filters.query(after=cursor_of(filters, reviews[-1])) if more else "",
        "first": filters.query() if request.GET.get("after") else "",
        "here": filters.query(after=request.GET.get("after", "")),
        "tabs": [
            {
                "label": label,
                "query": Filters(chosen=chosen).query(),
                "count": counts.get(name),
                "current": filters.chosen == chosen,
            }
            for name, label, chosen in TABS
        ],
        "chips": [
            {"name": CHIPS.get(name, name), "value": value, "without": filters.query(**{name: ""})}
            for name, value in filters.chosen.items()
            if name != "status" or value not in {DECIDED, ALL}
        ],
    }


def _rows(reviews: list[Any], user: Any) -> list[Row]:
    """Return the rows; votes and the person's groups are read only where a row needs them."""
    plans = [review.decided_by for review in reviews]
    several = [plan.fewest > 1 or len(plan.stages) > 1 for plan in plans]
    voted = [
        review
        for review, counted in zip(reviews, several, strict=True)
        if counted or review.status == Review.Status.REJECTED
    ]
    prefetch_related_objects(voted, "votes")
    asks = any(rule.where for plan in plans for stage in plan.stages for rule in stage.any_of)
    me = (
        eligibility.as_reviewer(user)
        if asks
        else Reviewer(id=user.pk, username=user.username, groups=frozenset())
    )
    rows = []
    for review, plan, counted in zip(reviews, plans, several, strict=True):
        ballots = review.ballots() if counted else []
        may = review.may and bool(plan.counting_rules(me, ballots, digest=review.digest))
        rows.append(
            Row(
                review=review,
                may=may,
                together=may and review.together and bool(review.shape),
                approvals=quorum.approvals(plan, ballots, digest=review.digest),
                needed=plan.fewest,
                alike=len(review.like_it),
            )
        )
    return rows


def _form(filters: Filters) -> dict[str, Any]:
    """Return the fields of the filter form with what is chosen in them."""
    selects = [
        {"name": name, "label": label, "options": _options(name, filters.get(name))}
        for name, label in SELECTS
    ]
    texts = [{"name": name, "label": label, "value": filters.get(name)} for name, label in FIELDS]
    return {"selects": selects, "texts": texts}


def _options(name: str, chosen: str) -> list[dict[str, Any]]:
    values = CHOICES[name] if name in DEFAULTS else ("", *CHOICES[name])
    return [
        {"value": value, "label": WORDS.get(value, value.replace("_", " ")), "chosen": value == chosen}
        for value in values
    ]


@login_required
@permission_required("hitl.view_review", raise_exception=True)
@require_safe
def choices(request: HttpRequest) -> HttpResponse:
    """Return the words that the fields of the filter form suggest; asked for when the form is opened."""
    known = Review.objects.pending().aggregate(
        agent=ArrayAgg("agent_name", distinct=True, default=[]),
        tool=ArrayAgg("tool", distinct=True, default=[]),
        requester=ArrayAgg("requester__username", distinct=True, default=[]),
        queue=ArrayAgg("queue__name", distinct=True, default=[]),
    )
    fields = {name: [word for word in words if word] for name, words in known.items()}
    return render(request, "hitl/_choices.html", {"fields": fields})


@login_required
@permission_required("hitl.view_review", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def views(request: HttpRequest) -> HttpResponse:
    """Show the saved views that the person has; on POST keep the filters of a list as one."""
    if request.method == "POST":
        return _save_view(request)
    context = {
        "views": SavedView.objects.visible_to(request.user),
        "may_share": request.user.has_perm(saved.SHARE),
    }
    return render(request, "hitl/_views.html", context)


def _save_view(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(saved.ADD):
        raise PermissionDenied
    try:
        filters = Filters.parse(request.POST.dict())
        view = saved.save_view(
            owner=request.user,
            name=request.POST.get("name", ""),
            filters=filters,
            shared=request.POST.get("shared") == YES,
        )
    except DomainError as error:
        messages.error(request, error.detail)
        return HttpResponseRedirect(reverse("review-queue"))
    messages.success(request, f"Saved the view “{view.name}”.")
    return HttpResponseRedirect(reverse("review-queue") + view.query)


@login_required
@permission_required(["hitl.view_review", saved.DELETE], raise_exception=True)
@require_POST
def delete_view(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Drop a saved view."""
    try:
        name = saved.delete_view(view_id=pk, by=request.user)
    except NotFound as error:
        raise Http404 from error
    except PermissionMissing as error:
        raise PermissionDenied(error.detail) from error
    messages.success(request, f"Deleted the view “{name}”.")
    return HttpResponseRedirect(reverse("review-queue"))
