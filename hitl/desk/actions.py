"""What a page of a review sends besides decisions; each answers with the page it came from."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST
from rest_framework.generics import get_object_or_404

from hitl.desk import preferences as liking
from hitl.desk import shortcuts
from hitl.desk.views import page_of
from hitl.reviews import operations
from hitl.reviews.models import Review
from hitl.reviews.types import Channel
from hitl.routing import operations as routing
from tenants.kernel.errors import DomainError

CHANNELS = {channel.value: channel for channel in (Channel.ADMIN, Channel.DASHBOARD)}


@login_required
@permission_required("hitl.view_review", raise_exception=True)
@require_POST
def viewed(request: HttpRequest, pk: str) -> HttpResponse:
    """Keep that the person has opened the review; the page's script says so once it is shown."""
    item = get_object_or_404(Review, pk=pk)
    if item.status == Review.Status.PENDING:
        operations.mark_viewed(review=item, viewer=request.user, now=timezone.now())
    return HttpResponse(status=204)


@login_required
@permission_required("hitl.view_review", raise_exception=True)
@require_POST
def reply(request: HttpRequest, pk: str) -> HttpResponse:
    """Answer a question about the review."""
    text = request.POST.get("message", "").replace("\r\n", "\n")  # browsers send CR LF

    def send(user: Any) -> str:
        operations.reply(review_id=pk, author=user, text=text, now=timezone.now())
        return "Your answer is there."

    return _back(request, pk, send)


@login_required
@permission_required(operations.DECIDE, raise_exception=True)
@require_POST
def revoke(request: HttpRequest, pk: str) -> HttpResponse:
    """Take an unused approval back."""
    text = request.POST.get("message", "").replace("\r\n", "\n")

    def send(user: Any) -> str:
        operations.revoke(review_id=pk, by=user, message=text, now=timezone.now())
        return "The approval is taken back; the call does not run."

    return _back(request, pk, send)


@login_required
@permission_required(operations.DECIDE, raise_exception=True)
@require_POST
def claim(request: HttpRequest, pk: str) -> HttpResponse:
    """Take the review for oneself."""

    def send(user: Any) -> str:
        routing.claim(review_id=pk, user=user, now=timezone.now())
        return "It is yours; nobody else is called about it meanwhile."

    return _back(request, pk, send)


@login_required
@permission_required(operations.DECIDE, raise_exception=True)
@require_POST
def release(request: HttpRequest, pk: str) -> HttpResponse:
    """Give a claimed review back."""

    def send(user: Any) -> str:
        routing.release(review_id=pk, user=user, now=timezone.now())
        return "You gave it back."

    return _back(request, pk, send)


def _back(request: HttpRequest, pk: str, send: Any) -> HttpResponse:
    item = get_object_or_404(Review, pk=pk)
    try:
        said = send(request.user)
    except DomainError as error:
        return render(request, "error.html", {"error": error}, status=error.status)
    messages.success(request, said)
    channel = CHANNELS.get(request.POST.get("channel", ""), Channel.DASHBOARD)
    return HttpResponseRedirect(page_of(item.pk, channel))


@login_required
@permission_required("hitl.view_review", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """Show and change one's keys, and what follows a decision."""
    mine = liking.of(request.user)
    chosen, error = shortcuts.keys(mine.shortcuts), None
    if request.method == "POST":
        try:
            return _change(request)
        except DomainError as raised:
            error = raised
            chosen = _posted_keys(request)
            mine.shortcuts_on = "shortcuts_on" in request.POST
            mine.goes_on = "goes_on" in request.POST
    problems = {one["at"].lstrip("/"): one["message"] for one in error.errors} if error else {}
    rows = [
        {"shortcut": s, "key": chosen[s.action], "problem": problems.get(s.action, "")}
        for s in shortcuts.SHORTCUTS
    ]
    context = {"rows": rows, "mine": mine, "error": error}
    return render(request, "hitl/preferences.html", context, status=error.status if error else 200)


def _change(request: HttpRequest) -> HttpResponse:
    """Save the form, or the one switch that the help dialog sends."""
    now, posted = timezone.now(), request.POST
    if posted.get("only") == "switch":
        liking.change(user=request.user, shortcuts_on="shortcuts_on" in posted, now=now)
        return HttpResponse(status=204)
    liking.change(
        user=request.user,
        keys=shortcuts.USUAL if "reset" in posted else _posted_keys(request),
        shortcuts_on="shortcuts_on" in posted,
        goes_on="goes_on" in posted,
        now=now,
    )
    messages.success(request, "Your preferences are saved.")
    return HttpResponseRedirect(request.path)


def _posted_keys(request: HttpRequest) -> dict[str, str]:
    return {action: request.POST.get(f"key-{action}", key) for action, key in shortcuts.USUAL.items()}
