"""The review page; the admin and the dashboard share it."""

import json
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods
from rest_framework.generics import get_object_or_404

from governance.audit.models import AuditEvent
from governance.policies.models import PolicyDecision
from governance.types import Effect
from hitl.reviews import operations, quorum
from hitl.reviews.forms import ArgumentsForm
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response
from hitl.reviews.wording import WORDS
from tenants.kernel.errors import DomainError, InvalidInput

SHOWN_APART = frozenset({"requester", "query", "agent", "steps", "usage", "preview"})
"""Members of the evidence that have a place of their own on the page."""


@login_required
@permission_required("hitl.view_review", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def review(request: HttpRequest, pk: str) -> HttpResponse:
    """Show a review and take a decision, in the dashboard."""
    return review_page(request, pk, channel=Channel.DASHBOARD)


def review_page(request: HttpRequest, pk: str, *, channel: Channel) -> HttpResponse:
    """Show a review; on POST record the decision. GET and HEAD never change anything."""
    item = get_object_or_404(Review.objects.select_related("requester"), pk=pk)
    form = ArgumentsForm(item.parameters, item.arguments)
    error: DomainError | None = None
    if request.method == "POST":
        if request.POST.get("decision") == DecisionVerb.EDIT:
            form = ArgumentsForm(item.parameters, item.arguments, request.POST)
        try:
            verb = _decide(request, item, form, channel)
        except DomainError as raised:
            error = raised
        else:
            if verb is not None:
                messages.success(request, WORDS[item.kind][verb].done)
                return HttpResponseRedirect(request.path)
        item.refresh_from_db()
        if not form.is_bound:
            form = ArgumentsForm(item.parameters, item.arguments)
    status = error.status if error else (422 if form.errors else 200)
    page = render(request, "hitl/review.html", _context(request, item, form, error, channel), status=status)
    page._csp_replace = {}  # type: ignore[attr-defined]  # the site's strict policy, in the admin too
    return page


def _decide(request: HttpRequest, item: Review, form: ArgumentsForm, channel: Channel) -> DecisionVerb | None:
    try:
        verb = DecisionVerb(request.POST.get("decision", ""))
        version = int(request.POST.get("version", ""))
    except ValueError as error:
        raise InvalidInput("Choose one of the buttons on the page of the review.") from error
    arguments = None
    if verb is DecisionVerb.EDIT:
        if not form.is_valid():
            return None
        arguments = form.edited()
    response = Response(
        verb=verb,
        channel=channel,
        message=request.POST.get("message", "").replace("\r\n", "\n"),  # browsers send CR LF
        arguments=arguments,
        version=version,
        digest=request.POST.get("digest", ""),
        assurance=Assurance.SESSION,
    )
    operations.respond(review_id=item.pk, reviewer=request.user, response=response, now=timezone.now())
    return verb


def _argument(item: Review, name: str) -> dict[str, Any]:
    """Return one argument as it stands, beside what the agent proposed."""
    added, removed = name not in item.arguments_proposed, name not in item.arguments
    value, proposed = item.arguments.get(name), item.arguments_proposed.get(name)
    return {
        "name": name,
        "value": value,
        "json": json.dumps(value, ensure_ascii=False, indent=2),
        "proposed": proposed,
        "added": added,
        "removed": removed,
        "changed": added or removed or json.dumps(proposed) != json.dumps(value),
        "description": item.parameters.get("properties", {}).get(name, {}).get("description", ""),
    }


def _sent(item: Review) -> datetime | None:
    """Return when the call whose outcome is asked about was sent: its permit was used then."""
    if item.kind != Review.Kind.OUTCOME or item.run_id is None or item.step_id is None:
        return None
    permits = PolicyDecision.objects.filter(run_id=item.run_id, step_id=item.step_id, effect=Effect.PERMIT)
    used = permits.filter(consumed_at__lte=item.created_at).order_by("-consumed_at")
    return used.values_list("consumed_at", flat=True).first()


def _next(request: HttpRequest) -> Review | None:
    """Return what the reviewer may decide after this one."""
    if not request.user.has_perm(operations.DECIDE):
        return None
    return Review.objects.actionable_by(request.user).select_related("requester").queue_order().first()


def _context(
    request: HttpRequest, item: Review, form: ArgumentsForm, error: DomainError | None, channel: Channel
) -> dict[str, Any]:
    now = timezone.now()
    actions = operations.available_actions(item, request.user)
    others = Review.objects.filter(step_id=item.step_id).exclude(pk=item.pk).order_by("pk")
    return {
        "review": item,
        "form": form,
        "error": error,
        "allowed": {verb.value for verb in actions.verbs},
        "why_not": actions.why_not,
        "arguments": [_argument(item, name) for name in item.argument_names],
        "arguments_json": json.dumps(item.ordered_arguments, ensure_ascii=False, indent=2),
        "votes": [
            {"vote": vote, "word": WORDS[item.kind][DecisionVerb(vote.decision)]}
            for vote in item.votes.select_related("reviewer").order_by("id")
        ],
        "earlier": [other for other in others if other.pk < item.pk],
        "later": [other for other in others if other.pk > item.pk],
        "evidence_more": {
            name: value for name, value in item.evidence.items() if name not in SHOWN_APART and value
        },
        "approvals": quorum.approvals(item.decided_by, item.ballots(), digest=item.digest),
        "sent_at": _sent(item),
        "remaining_s": int(item.remaining(now).total_seconds()),
        "effect": AuditEvent.objects.filter(
            step_id=item.step_id, action__in=["tool.succeeded", "tool.failed"]
        ).first(),
        "tool": item.request["tool"],
        "next": None if actions.verbs else _next(request),
        "channel": channel.value,
    }
