"""The page on which a reviewer says whether they are there."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from hitl.reviews.eligibility import DECIDE
from hitl.reviews.models import Review
from hitl.routing.forms import AvailabilityForm
from hitl.routing.models import ReviewerProfile, Substitution
from hitl.routing.operations import set_availability
from tenants.kernel.errors import DomainError


@login_required
@permission_required(DECIDE, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def availability(request: HttpRequest) -> HttpResponse:
    """Show and set one's own availability, and list what one has."""
    now, user = timezone.now(), request.user
    profile = ReviewerProfile.objects.filter(user=user.pk).first() or ReviewerProfile()
    form = AvailabilityForm(profile, now, request.POST if request.method == "POST" else None)
    error: DomainError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            set_availability(user=user, now=now, **form.given())
        except DomainError as raised:
            error = raised
        else:
            messages.success(request, "Saved.")
            return HttpResponseRedirect(request.path)
    status = error.status if error else (422 if form.errors else 200)
    mine = Review.objects.pending().filter(assigned_to=user.pk).select_related("requester", "queue")
    context = {
        "form": form,
        "error": error,
        "profile": profile,
        "away": not profile.is_available(now),
        "mine": mine.queue_order()[:50],
        "now": now,
        "substitutions": Substitution.objects.filter(ends_at__gt=now, person=user.pk)
        .select_related("substitute")
        .order_by("starts_at"),
        "standing_in": Substitution.objects.filter(ends_at__gt=now, substitute=user.pk)
        .select_related("person")
        .order_by("starts_at"),
    }
    return render(request, "hitl/availability.html", context, status=status)
