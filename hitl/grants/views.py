"""The pages of standing grants."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from rest_framework.generics import get_object_or_404

from hitl.grants import operations
from hitl.grants.forms import GrantForm
from hitl.grants.models import GrantUse, StandingGrant
from hitl.grants.wording import covered
from hitl.reviews.models import Review
from hitl.reviews.types import Assurance
from tenants.kernel.errors import DomainError, PermissionMissing

ENDED, USES = 30, 10


@login_required
@permission_required(operations.VIEW, raise_exception=True)
@require_safe
def grants(request: HttpRequest) -> HttpResponse:
    """List the grants that stand or are paused, and those that ended last."""
    now = timezone.now()
    uses = GrantUse.objects.select_related("review")
    known = StandingGrant.objects.select_related("created_by", "requester", "revoked_by").prefetch_related(
        Prefetch("used_on", queryset=uses, to_attr="known_uses")
    )
    standing = known.unended(now)
    context = {
        "standing": [_shown(grant, request.user, now) for grant in standing],
        "ended": [
            _shown(grant, request.user, now) for grant in known.exclude(pk__in=standing.values("pk"))[:ENDED]
        ],
    }
    template = "hitl/grants/_list.html" if request.headers.get("HX-Request") else "hitl/grants/list.html"
    return render(request, template, context)


def _shown(grant: StandingGrant, user: Any, now: Any) -> dict[str, Any]:
    state = grant.state(now)
    mine = grant.created_by_id == user.pk
    uses: list[GrantUse] = grant.known_uses  # type: ignore[attr-defined]  # prefetched under that name
    return {
        "grant": grant,
        "state": state,
        "covers": covered(grant),
        "used": grant.uses - grant.uses_left,
        "last_uses": uses[:USES],
        "may_revoke": grant.revoked_at is None
        and state in {"active", "paused"}
        and (mine or user.has_perm(operations.REVOKE)),
        "may_resume": state == "paused" and mine and user.has_perm(operations.GIVE),
    }


@login_required
@permission_required(operations.GIVE, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Show the form, filled from the review in the query; on POST give the grant."""
    review = get_object_or_404(
        Review.objects.select_related("requester"),
        pk=request.GET.get("review") or request.POST.get("review", ""),
    )
    error: DomainError | None = None
    why_not = operations.why_not_give(review, request.user)
    if why_not:
        error = PermissionMissing(why_not)
        return render(request, "error.html", {"error": error}, status=error.status)
    form = GrantForm(review, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            operations.give(
                review_id=review.pk,
                giver=request.user,
                request=form.asked(Assurance.SESSION),
                now=timezone.now(),
            )
        except DomainError as raised:
            error = raised
        else:
            return _given(request, review)
    context = {"review": review, "form": form, "error": error, "influence": review.policy_request.influence}
    status = error.status if error else (422 if form.errors else 200)
    return render(request, "hitl/grants/new.html", context, status=status)


def _given(request: HttpRequest, review: Review) -> HttpResponse:
    """Lead back to a review that still waits: the grant is about the calls after it."""
    if review.status == Review.Status.PENDING:
        messages.success(
            request, "The grant stands for calls after this one. This review still waits for people."
        )
        return HttpResponseRedirect(reverse("review", args=[review.pk]))
    messages.success(request, "The grant stands.")
    return HttpResponseRedirect(reverse("grants"))


@login_required
@require_POST
def steer(request: HttpRequest, pk: str, verb: str) -> HttpResponse:
    """Revoke or resume a grant."""
    grant = get_object_or_404(StandingGrant, pk=pk)
    try:
        if verb == "revoke":
            operations.revoke(grant_id=grant.pk, by=request.user, now=timezone.now())
            messages.success(request, "Revoked: it answers for nothing from now on.")
        else:
            operations.resume(grant_id=grant.pk, by=request.user, now=timezone.now())
            messages.success(request, "The grant goes on.")
    except DomainError as error:
        return render(request, "error.html", {"error": error}, status=error.status)
    return HttpResponseRedirect(reverse("grants"))
