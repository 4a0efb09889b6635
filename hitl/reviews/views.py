"""The queue page."""

from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from hitl.reviews.models import Review


@login_required
@permission_required("hitl.view_review", raise_exception=True)
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """List what waits, most pressing first, and what was decided last."""
    reviews = Review.objects.select_related("requester")
    context = {
        "pending": reviews.pending().queue_order()[:100],
        "decided": reviews.exclude(status=Review.Status.PENDING).order_by("-decided_at")[:20],
        "now": timezone.now(),
    }
    template = "hitl/_queue.html" if request.headers.get("HX-Request") else "hitl/queue.html"
    return render(request, template, context)
