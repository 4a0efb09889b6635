"""The review page; the admin and the dashboard share it."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods
from rest_framework.generics import get_object_or_404

from hitl.desk import evidence, preferences, stepup
from hitl.desk.plan_words import plan_words
from hitl.reviews import eligibility, operations, plans
from hitl.reviews.forms import ArgumentsForm
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response
from hitl.reviews.wording import WORDS
from hitl.templatetags.reviews import headline
from tenants.kernel.errors import DomainError, InvalidInput
from tenants.templatetags.display import inert

LETS_RUN = frozenset({DecisionVerb.APPROVE, DecisionVerb.EDIT, DecisionVerb.RETRY})
"""Words that let a call run: for them the reviewer must have been shown all of it."""
STAYS = frozenset({DecisionVerb.REQUEST_INFO, DecisionVerb.WITHDRAW})
"""Words after which the reviewer is not done with the review."""
CLOSES = LETS_RUN - {DecisionVerb.EDIT} | {
    DecisionVerb.RESPOND,
    DecisionVerb.IT_HAPPENED,
    DecisionVerb.IT_DID_NOT,
}
"""Words of which one must be a person's to say for them to claim a review: who edited it last has none."""
QUEUE = 500
"""Reviews of the queue among which the page leads on and back."""


@login_required
@permission_required("hitl.view_review", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def review(request: HttpRequest, pk: str) -> HttpResponse:
    """Show a review and take a decision, in the dashboard."""
    return review_page(request, pk, channel=Channel.DASHBOARD)


def review_page(request: HttpRequest, pk: str, *, channel: Channel) -> HttpResponse:
    """Show a review; on POST record the decision. GET and HEAD never change anything."""
    item = _find(pk)
    form = ArgumentsForm(item.parameters, item.arguments)
    error: DomainError | None = None
    if request.method == "POST":
        if request.POST.get("decision") == DecisionVerb.EDIT:
            form = ArgumentsForm(item.parameters, item.arguments, request.POST)
        try:
            decided = _decide(request, item, form, channel)
        except DomainError as raised:
            error = raised
        else:
            if decided is not None:
                return decided
        item = _find(pk)
        if not form.is_bound:
            form = ArgumentsForm(item.parameters, item.arguments)
    status = error.status if error else (422 if form.errors else 200)
    page = render(request, "hitl/review.html", _context(request, item, form, error, channel), status=status)
    page._csp_replace = {}  # type: ignore[attr-defined]  # the site's strict policy, in the admin too
    return page


def _find(pk: str) -> Review:
    reviews = Review.objects.select_related("requester", "assigned_to", "owner")
    return get_object_or_404(reviews.prefetch_related("votes__reviewer", "votes__on_behalf_of"), pk=pk)


def _decide(request: HttpRequest, item: Review, form: ArgumentsForm, channel: Channel) -> HttpResponse | None:
    """Record the decision and return where to go; None if the form of an edit is not right."""
    response = _response(request, item, form, channel)
    if response is None:
        return None
    left = _actionable(request.user) if response.verb not in STAYS else []
    shown = operations.respond(
        review_id=item.pk, reviewer=request.user, response=response, now=timezone.now()
    )
    said = WORDS[item.kind][response.verb].done
    if response.verb is DecisionVerb.APPROVE and shown.status == Review.Status.PENDING:
        said = "Your approval counts; the call still waits for others."
    here = page_of(shown.pk, channel)
    following = _after(item.pk, left)
    if following is None or response.verb in STAYS or not preferences.of(request.user).goes_on:
        messages.success(request, said)
        return HttpResponseRedirect(here)
    what = f"{headline(item)} for {item.requester.username}"
    messages.success(request, format_html('{} <a href="{}">{}</a>', said, here, inert(what)))
    return HttpResponseRedirect(page_of(following, channel))


def _response(request: HttpRequest, item: Review, form: ArgumentsForm, channel: Channel) -> Response | None:
    posted = request.POST
    try:
        verb = DecisionVerb(posted.get("decision", ""))
        version = int(posted.get("version", ""))
    except ValueError as error:
        raise InvalidInput("Choose one of the buttons on the page of the review.") from error
    if verb in LETS_RUN and not _is_whole(request, item):
        raise InvalidInput("Show all of the arguments first: you would decide about what you have not seen.")
    arguments = None
    if verb is DecisionVerb.EDIT:
        if not form.is_valid():
            return None
        arguments = form.edited()
    assurance = Assurance.SESSION
    if verb in LETS_RUN and stepup.is_needed(item.min_assurance):
        assurance = stepup.confirm(request, posted)
    return Response(
        verb=verb,
        channel=channel,
        message=posted.get("message", "").replace("\r\n", "\n"),  # browsers send CR LF
        arguments=arguments,
        version=version,
        digest=posted.get("digest", ""),
        assurance=assurance,
        not_before=_not_before(posted.get("not_before", "")),
    )


def _not_before(text: str) -> datetime | None:
    """Return the moment that a datetime-local field names, in UTC."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        message = "Write the earliest start as a date and a time in UTC."
        raise InvalidInput(message, errors=[{"at": "/not_before", "message": message}]) from error


def page_of(pk: UUID, channel: Channel) -> str:
    """Return the address of a review's page in the face that the reviewer uses."""
    return reverse("admin:hitl_review_change" if channel is Channel.ADMIN else "review", args=[pk])


def _is_whole(request: HttpRequest, item: Review) -> bool:
    """Tell whether the page shows all of the arguments: short ones always, long ones once asked to."""
    asked = request.POST if request.method == "POST" else request.GET
    return asked.get("all") == "1" or not evidence.is_long(item)


def _actionable(user: Any) -> list[UUID]:
    if not user.has_perm(operations.DECIDE):
        return []
    left = Review.objects.actionable_by(user).queue_order()
    return list(left.values_list("pk", flat=True)[:QUEUE])


def _after(pk: UUID, left: list[UUID]) -> UUID | None:
    """Return what follows in the queue, from the top again at its end."""
    at = left.index(pk) if pk in left else -1
    rest = left[at + 1 :] + left[: max(at, 0)]
    return rest[0] if rest else None


def _place(item: Review, channel: Channel) -> dict[str, Any]:
    """Return where in the queue the review stands, and what comes before and after it."""
    queue = Review.objects.pending().queue_order()
    order = list(queue.values_list("pk", flat=True)[:QUEUE])
    if item.pk not in order:
        return {"of": len(order)}
    at = order.index(item.pk)
    return {
        "at": at + 1,
        "of": len(order),
        "previous": page_of(order[at - 1], channel) if at else "",
        "next": page_of(order[at + 1], channel) if at + 1 < len(order) else "",
    }


def _context(
    request: HttpRequest, item: Review, form: ArgumentsForm, error: DomainError | None, channel: Channel
) -> dict[str, Any]:
    now = timezone.now()
    user: Any = request.user
    actions = operations.available_actions(item, user)
    is_open = item.status == Review.Status.PENDING
    votes = sorted(item.votes.all(), key=lambda vote: vote.pk)
    plan = item.decided_by
    asked = plan_words(plan, item.ballots(), digest=item.digest)
    could = eligibility.eligible_standing_in(item, now=now) if is_open else []
    whole = _is_whole(request, item)
    arguments = evidence.arguments(item, whole=whole)
    past = evidence.similar(item)
    earlier, later = evidence.others(item)
    talk = list(item.messages.select_related("author").order_by("id"))
    run = evidence.run_now(item)
    place = _place(item, channel)
    following = None if is_open else _after(item.pk, _actionable(user))
    return {
        "review": item,
        "form": form,
        "error": error,
        "channel": channel.value,
        "now": now,
        "posted": request.POST.get("decision", ""),
        "allowed": {verb.value for verb in actions.verbs},
        "may_claim": not CLOSES.isdisjoint(actions.verbs),
        "why_not": actions.why_not,
        "stands_in_for": [person for one, people in could for person in people if one.pk == user.pk],
        "needs_password": stepup.is_needed(item.min_assurance),
        "asks": stepup.asks(user) if is_open and stepup.is_needed(item.min_assurance) else {},
        "whole": whole,
        "arguments": arguments,
        "arguments_json": json.dumps(item.ordered_arguments, ensure_ascii=False, indent=2) if whole else "",
        "target": evidence.target(item),
        "votes": [{"vote": vote, "word": WORDS[item.kind][DecisionVerb(vote.decision)]} for vote in votes],
        "edits": evidence.edits(votes),
        "plan": asked,
        "deciders": [one for one, _ in could if one.pk not in asked.approvers],
        "excluded": plans.excluded_names(plan, known=[item.requester, item.owner]),
        "earlier": earlier,
        "later": later,
        "talk": talk,
        "may_reply": is_open and bool(talk) and (user.pk == item.requester_id or bool(actions.verbs)),
        "may_revoke": operations.may_revoke(item, user),
        "evidence_more": evidence.besides(item),
        "sent_at": evidence.sent(item),
        "effect": evidence.effect(item),
        "tool": item.request["tool"],
        "run": run,
        "may_steer_run": _may_steer(run, user),
        "similar": past,
        "similar_shares": evidence.shares(past),
        "place": place,
        "pending_total": place["of"] if place["of"] < QUEUE else None,
        "next": None if following is None else page_of(following, channel),
    }


def _may_steer(run: dict[str, Any] | None, user: Any) -> dict[str, bool]:
    """Return what the person may do with the run from here; the run's operations have the last word."""
    if run is None or run["status"] in {"succeeded", "failed", "cancelled"}:
        return {}
    mine = run["requester_id"] == user.pk
    is_paused = run["status"] == "paused" or run["pause_requested"]
    return {
        "pause": not is_paused and (mine or user.has_perm("agents.pause_run")),
        "cancel": mine or user.has_perm("agents.cancel_run"),
    }
