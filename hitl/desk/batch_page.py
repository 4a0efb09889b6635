"""The page on which calls of one shape are decided together."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required, permission_required
from django.db.models import TextField
from django.db.models.functions import Cast, Length
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from hitl.desk import batches, evidence
from hitl.desk.batches import MAX_ITEMS, Result, Seen
from hitl.desk.listing import may_decide
from hitl.desk.outliers import Standing, standings
from hitl.reviews import operations
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance, Channel, DecisionVerb
from tenants.flags.operations import page_of
from tenants.kernel.errors import DomainError, InvalidInput


@dataclass(frozen=True, kw_only=True)
class Line:
    """One call of the batch, with the arguments that differ and how it stands out."""

    review: Review
    values: list[tuple[str, Any]]
    standing: Standing
    ticked: bool


@login_required
@permission_required(operations.DECIDE, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
@page_of("batch_decisions")
def batch(request: HttpRequest, shape: str) -> HttpResponse:
    """Show the calls of a shape that the reviewer may decide; on POST vote on those that were ticked."""
    if not Review.objects.filter(shape=shape).exists():
        raise Http404
    error: DomainError | None = None
    results: list[Result] = []
    if request.method == "POST":
        try:
            results = _decide(request)
        except DomainError as raised:
            error = raised
    context = _context(request, shape, error, results)
    return render(request, "hitl/batch.html", context, status=error.status if error else 200)


def _decide(request: HttpRequest) -> list[Result]:
    ticked = request.POST.getlist("item")
    if not ticked:
        raise InvalidInput("Tick the calls that you decide.")
    if request.POST.get("confirm", "").strip() != str(len(ticked)):
        raise InvalidInput(f"You ticked {len(ticked)}: type {len(ticked)} to confirm.")
    try:
        verb = DecisionVerb(request.POST.get("decision", ""))
        seen = [_seen(request, key) for key in ticked]
    except ValueError as error:
        raise InvalidInput("Use the form of the page.") from error
    return batches.decide(
        reviewer=request.user,
        verb=verb,
        message=request.POST.get("message", "").replace("\r\n", "\n"),  # browsers send CR LF
        seen=seen,
        channel=Channel.DASHBOARD,
        assurance=Assurance.SESSION,
        now=timezone.now(),
    )


def _seen(request: HttpRequest, key: str) -> Seen:
    version, _, digest = request.POST.get(f"seen-{key}", "").partition(" ")
    return Seen(review_id=UUID(key), version=int(version), digest=digest)


def _context(
    request: HttpRequest, shape: str, error: DomainError | None, results: list[Result]
) -> dict[str, Any]:
    now = timezone.now()
    pending = Review.objects.pending().filter(shape=shape)
    asked = [key for key in request.GET.getlist("id") if _is_id(key)][:MAX_ITEMS]
    size = Length(Cast("arguments", TextField()))
    fit = pending.annotate(size=size).filter(batches.fit(), size__lte=evidence.WHOLE_UP_TO)
    mine = fit.filter(may_decide(request.user, now))
    chosen = mine.filter(pk__in=asked) if asked else mine
    found = chosen.select_related("requester").order_by("id")[:MAX_ITEMS]
    reviews = [review for review in found if not evidence.is_long(review)]
    any_of_shape = reviews[0] if reviews else Review.objects.filter(shape=shape).latest("id")
    apart = _apart(reviews)
    ticked = set(request.POST.getlist("item")) if error else set()
    lines = [
        Line(
            review=review,
            values=[(name, review.arguments.get(name, "")) for name in apart],
            standing=standing,
            ticked=str(review.pk) in ticked,
        )
        for review, standing in zip(reviews, standings([review.arguments for review in reviews]), strict=True)
    ]
    return {
        "review": any_of_shape,
        "shape": shape,
        "lines": sorted(lines, key=lambda line: -line.standing.score),
        "apart": apart,
        "alike": {name: value for name, value in any_of_shape.ordered_arguments.items() if name not in apart},
        "pending": pending.count(),
        "mine": mine.count(),
        "narrowed": bool(asked),
        "error": error,
        "results": _told(results),
        "decided": sum(result.decided for result in results),
        "message": request.POST.get("message", "") if error else "",
        "decision": request.POST.get("decision", "") if error else "",
    }


def _apart(reviews: list[Review]) -> list[str]:
    """Return the names of the arguments in which the calls differ, in the schema's order."""
    if not reviews:
        return []
    names = dict.fromkeys(name for review in reviews for name in review.argument_names)
    return [
        name
        for name in names
        if len({json.dumps(review.arguments.get(name), sort_keys=True) for review in reviews}) > 1
    ]


def _told(results: list[Result]) -> list[dict[str, Any]]:
    """Return the results with what they are about, refusals first."""
    reviews = Review.objects.in_bulk([result.review_id for result in results])
    told = [{"result": result, "review": reviews.get(result.review_id)} for result in results]
    return sorted(told, key=lambda one: one["result"].decided)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
