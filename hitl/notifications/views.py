"""A person's inbox, and their page of contacts and rules."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hitl.notifications import contacts, endpoints, operations
from hitl.notifications.contacts import Rule
from hitl.notifications.models import MAX_WAIT_S, Contact, Endpoint, Notification, NotificationRule
from hitl.notifications.registry import SLACK, personal
from hitl.notifications.types import Importance
from tenants.kernel.errors import DomainError, InvalidInput

SHOWN = 100
STEPS = 4
MINUTE = 60


@login_required
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """Show the person's own messages, latest first; an htmx request gets the list alone."""
    mine = Notification.objects.inbox_of(request.user.pk)
    context = {"items": mine[:SHOWN], "unread": mine.unread().count(), "limit": SHOWN}
    template = "hitl/_inbox.html" if request.headers.get("HX-Request") else "hitl/inbox.html"
    return render(request, template, context)


@login_required
@require_safe
def unread(request: HttpRequest) -> HttpResponse:
    """Return the number beside the bell."""
    return render(request, "hitl/_unread.html")


@login_required
@require_POST
def read(request: HttpRequest) -> HttpResponse:
    """Mark one message as read, or all."""
    try:
        one = UUID(request.POST["id"]) if "id" in request.POST else None
    except ValueError as error:
        return _refused(request, InvalidInput(f"This is no message of yours: {error}"))
    operations.mark_read(user=request.user, now=timezone.now(), notification_id=one)  # type: ignore[arg-type]  # signed in
    return HttpResponseRedirect(reverse("inbox"))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    """Show how the person is reached; on POST add, confirm or remove a contact, or save rules."""
    error: DomainError | None = None
    if request.method == "POST":
        try:
            said = _ACTIONS.get(request.POST.get("action", ""), _unknown)(request)
        except DomainError as raised:
            error = raised
        else:
            messages.success(request, said)
            return HttpResponseRedirect(request.path)
    status = error.status if error else 200
    return render(request, "hitl/notifications.html", {**_context(request), "error": error}, status=status)


def _refused(request: HttpRequest, error: DomainError) -> HttpResponse:
    return render(request, "error.html", {"error": error}, status=error.status)


def _add(request: HttpRequest) -> str:
    channel, _, app = request.POST.get("channel", "").partition(":")
    endpoint = Endpoint.objects.filter(pk=_uuid(app), channel=SLACK).first() if app else None
    contact = contacts.add_contact(
        user=request.user,  # type: ignore[arg-type]  # signed in
        channel=channel,
        address=request.POST.get("address", ""),
        endpoint=endpoint,
        now=timezone.now(),
    )
    return f"A code is on its way to {contact.address}; enter it below."


def _confirm(request: HttpRequest) -> str:
    contact = contacts.confirm(
        user=request.user,  # type: ignore[arg-type]  # signed in
        contact_id=_uuid(request.POST.get("contact", "")),
        code=request.POST.get("code", ""),
        now=timezone.now(),
    )
    return f"{contact.address} is confirmed. Choose below when it is used."


def _resend(request: HttpRequest) -> str:
    contact_id = _uuid(request.POST.get("contact", ""))
    contacts.resend_code(user=request.user, contact_id=contact_id, now=timezone.now())  # type: ignore[arg-type]  # signed in
    return "A new code is on its way; the one before is void."


def _remove(request: HttpRequest) -> str:
    contact_id = _uuid(request.POST.get("contact", ""))
    contacts.remove_contact(user=request.user, contact_id=contact_id, now=timezone.now())  # type: ignore[arg-type]  # signed in
    return "The contact is removed."


def _save(request: HttpRequest) -> str:
    try:
        importance = Importance(request.POST.get("importance", ""))
        rules = [
            Rule(contact_id=None if to == "in_app" else _uuid(to), wait_s=int(wait or 0) * MINUTE)
            for to, wait in zip(request.POST.getlist("to"), request.POST.getlist("wait"), strict=True)
            if to
        ]
    except ValueError as error:
        raise InvalidInput("Choose a contact and a wait in whole minutes for each step.") from error
    contacts.save_rules(user=request.user, importance=importance, rules=rules, now=timezone.now())  # type: ignore[arg-type]  # signed in
    return f"The rules for {importance} messages are saved."


def _unknown(request: HttpRequest) -> str:
    raise InvalidInput("Use one of the buttons of the page.")


_ACTIONS = {"add": _add, "confirm": _confirm, "resend": _resend, "remove": _remove, "rules": _save}


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInput("There is no such contact.") from error


def _context(request: HttpRequest) -> dict[str, Any]:
    mine = list(Contact.objects.filter(user=request.user.pk).select_related("endpoint"))
    rules = NotificationRule.objects.filter(user=request.user.pk).order_by("position")
    return {
        "contacts": mine,
        "usable": [contact for contact in mine if contact.is_usable],
        "choices": _choices(),
        "rules": [
            {
                "importance": importance.value,
                "steps": _steps([r for r in rules if r.importance == importance]),
            }
            for importance in reversed(Importance)
        ],
        "max_wait": MAX_WAIT_S // MINUTE,
        "posted": request.POST if request.method == "POST" else {},
    }


def _choices() -> list[tuple[str, str]]:
    """Return what a contact can be: a channel, or one of the tenant's Slack apps."""
    found = [(channel.name, channel.label) for channel in personal() if channel.name != SLACK]
    apps = endpoints.chat_endpoints(SLACK)
    return [*found, *((f"{SLACK}:{app.pk}", f"Slack: {app.name}") for app in apps)]


def _steps(rules: list[NotificationRule]) -> list[dict[str, Any]]:
    steps = [{"to": str(r.contact_id or "in_app"), "wait": r.wait_s // MINUTE} for r in rules]
    return [*steps, *({"to": "", "wait": 0} for _ in range(max(1, STEPS - len(steps))))]
