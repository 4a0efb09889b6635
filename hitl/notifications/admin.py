"""Endpoints and the outbox in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from hitl.notifications import endpoints, operations
from hitl.notifications.base import Channel, SendFailed, Setting
from hitl.notifications.models import Endpoint, Notification
from hitl.notifications.registry import CHANNELS, tenant_wide
from hitl.notifications.types import Kind, Status
from tenants.kernel.admin import (
    LABELS,
    Button,
    Checkboxes,
    EvidenceAdmin,
    OperationsAdmin,
    PasswordInput,
    Textarea,
    TextInput,
    display,
)
from tenants.kernel.errors import DomainError, PermissionMissing
from tenants.templatetags.display import inert, words

NOT_FOR_ENDPOINTS = {Kind.CONTACT_CODE, Kind.TEST, Kind.NOT_DELIVERED, Kind.ENDPOINT_DISABLED}
PREFIX = "config_"
STATE = ["channel", "target", "state", "disabled_why", "failures", "last_error", "last_sent_at"]


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """An endpoint with the settings of its channel. Secret ones are asked for and never shown."""

    kinds = forms.MultipleChoiceField(
        choices=[(kind.value, words(kind.value)) for kind in Kind if kind not in NOT_FOR_ENDPOINTS],
        widget=Checkboxes,
        required=False,
        help_text="What it is told of; none ticked means everything.",
    )

    class Meta:
        model = Endpoint
        fields = ["name", "enabled", "importance", "kinds"]

    channel: Channel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shown, hidden = _stored(self.instance)
        for setting in self.channel.settings:
            field = self.fields[PREFIX + setting.name]
            field.initial = shown.get(setting.name, setting.default)
            if setting.name in hidden:
                field.required = False
                field.help_text = f"{setting.help} It is set; leave empty to keep it.".strip()

    def clean(self) -> dict[str, Any]:
        """Ask the channel whether it can use the settings."""
        cleaned: dict[str, Any] = super().clean() or {}
        given = {setting.name: cleaned.get(PREFIX + setting.name, "") for setting in self.channel.settings}
        cleaned["config"] = {name: value for name, value in given.items() if value}
        try:
            kept = {} if self.instance._state.adding else endpoints.config_of(self.instance)
            endpoints.complete_config(self.channel, kept=kept, given=cleaned["config"])
        except SendFailed:
            return cleaned
        except DomainError as error:
            raise ValidationError(_by_field(error, self.fields)) from error
        return cleaned


def _stored(endpoint: Endpoint) -> tuple[dict[str, str], list[str]]:
    if endpoint._state.adding:
        return {}, []
    try:
        return endpoints.shown_config(endpoint)
    except SendFailed:
        return {}, []


def _by_field(error: DomainError, fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for problem in error.errors or [{"at": "/", "message": error.detail}]:
        name = PREFIX + problem["at"].rpartition("/")[2]
        found.setdefault(name if name in fields else "__all__", []).append(problem["message"])
    return found


def _field(setting: Setting) -> forms.CharField:
    lines = setting.secret and setting.name == "secrets"
    widget: Any = TextInput
    if lines:
        widget = Textarea(attrs={"rows": 3, "autocomplete": "off"})
    elif setting.secret:
        widget = PasswordInput(attrs={"autocomplete": "off"})
    return forms.CharField(
        label=setting.label, help_text=setting.help, required=setting.required, widget=widget
    )


def form_for(channel: Channel) -> type[EndpointForm]:
    """Return the form of endpoints of one channel."""
    fields: dict[str, Any] = {PREFIX + setting.name: _field(setting) for setting in channel.settings}
    return type("ChannelEndpointForm", (EndpointForm,), {**fields, "channel": channel})


class EndpointAdmin(OperationsAdmin):
    """Where the tenant is told. Settings are sealed; a test says whether they work."""

    list_display = ["name", "channel_name", "target", "state", "failures", "last_sent_at"]
    list_filter = ["channel", "enabled"]
    search_fields = ["name"]
    readonly_fields = STATE
    buttons = (
        Button(method="send_test", label="Send a test", help="Sends a message now and says what came of it."),
    )

    def offered_buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """Offer the test to those who may change endpoints."""
        return list(self.buttons) if self.has_change_permission(request, obj) else []

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for the channel first."""
        known = {channel.name for channel in tenant_wide()}
        if self.has_add_permission(request) and request.GET.get("channel") not in known:
            context = {**self.admin_site.each_context(request), "channels": tenant_wide(), "opts": self.opts}
            return render(request, "admin/hitl/endpoint/choose.html", {**context, "title": "Add endpoint"})
        response: HttpResponse = super().add_view(request, form_url, extra_context)
        return response

    def _channel(self, request: HttpRequest, obj: Endpoint | None) -> Channel:
        return CHANNELS.get(obj.channel if obj else request.GET["channel"])

    def get_form(self, request: HttpRequest, obj: Endpoint | None = None, **kwargs: Any) -> Any:
        """Ask for what the channel needs."""
        if obj is not None and not self.has_change_permission(request, obj):
            return super().get_form(request, obj, **kwargs)
        form = form_for(self._channel(request, obj))
        # The settings are no fields of the table: the factory is told of the table's alone.
        return super().get_form(request, obj, **{**kwargs, "form": form, "fields": EndpointForm.Meta.fields})

    def get_fieldsets(self, request: HttpRequest, obj: Endpoint | None = None) -> Any:
        """Say first how it does, then where it leads, then what it is told."""
        told = ("Told of", {"fields": ["importance", "kinds"]})
        if obj is not None and not self.has_change_permission(request, obj):
            return [("State", {"fields": STATE}), ("Endpoint", {"fields": ["name", "enabled"]}), told]
        channel = self._channel(request, obj)
        settings = [PREFIX + setting.name for setting in channel.settings]
        own = (channel.label, {"fields": ["name", "enabled", *settings]})
        return [own, told] if obj is None else [("State", {"fields": STATE}), own, told]

    def get_readonly_fields(self, request: HttpRequest, obj: Endpoint | None = None) -> list[str]:
        """Show the state of one that exists."""
        return list(STATE) if obj else []

    def save_model(self, request: HttpRequest, obj: Endpoint, form: Any, change: bool) -> None:
        """Call the operation that the API calls."""
        given = form.cleaned_data
        names = ("name", "enabled", "importance", "kinds")
        if not change:
            obj.channel = self._channel(request, None).name
        changes = {name: given[name] for name in names}
        endpoints.save_endpoint(
            endpoint=obj, config=given["config"], changes=changes, by=request.user, now=timezone.now()
        )

    def send_test(self, request: HttpRequest, endpoint: Endpoint) -> str:
        """Send a message now and return what came of it."""
        if not self.has_change_permission(request, endpoint):
            raise PermissionMissing
        return endpoints.send_test(endpoint=endpoint, by=request.user, now=timezone.now())

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: the outbox refers to it; disable it instead."""
        return False

    @admin.display(description="Channel", ordering="channel")
    def channel_name(self, endpoint: Endpoint) -> str:
        """Return the channel as people call it."""
        return CHANNELS.get(endpoint.channel).label

    @display(description="State", label=LABELS)  # type: ignore[untyped-decorator]  # untyped upstream
    def state(self, endpoint: Endpoint) -> str:
        """Return whether it is used."""
        if not endpoint.enabled:
            return "disabled"
        return "failing" if endpoint.failures else "enabled"


class NotificationAdmin(OperationsAdmin, EvidenceAdmin):
    """The outbox: what went to whom, what waits, and why something did not go."""

    list_display = [
        "subject_shown",
        "to",
        "channel",
        "kind",
        "status_label",
        "attempts",
        "created_at",
        "sent_at",
    ]
    list_filter = ["status", "channel", "kind", "importance"]
    list_select_related = ["recipient", "endpoint"]
    search_fields = ["recipient__username", "endpoint__name", "subject", "review_id"]
    fields = [
        "subject_shown", "text_shown", "to", "address", "channel", "kind", "importance", "note", "status_label",
        "attempts", "next_at", "last_error", "created_at", "sent_at", "read_at", "receipt", "path", "id",
    ]  # fmt: skip
    readonly_fields = fields
    buttons = (
        Button(method="try_again", label="Try again", help="Sends it once more, from the first try on."),
    )

    def offered_buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """Offer another try of what failed."""
        may = request.user.has_perm("hitl.change_notification") and obj.status == Status.FAILED
        return list(self.buttons) if may else []

    def try_again(self, request: HttpRequest, notification: Notification) -> str:
        """Put a message that failed back into the outbox."""
        if not request.user.has_perm("hitl.change_notification"):
            raise PermissionMissing
        operations.try_again(notification=notification, by=request.user, now=timezone.now())  # type: ignore[arg-type]  # signed in
        return "It will be tried again at once."

    @admin.display(description="Subject", ordering="subject")
    def subject_shown(self, row: Notification) -> str:
        """Return the subject, in which nothing hides."""
        return inert(row.subject)

    @admin.display(description="Text")
    def text_shown(self, row: Notification) -> str:
        """Return the text, in which nothing hides."""
        return inert(row.text) if row.text else "-"

    @admin.display(description="To")
    def to(self, row: Notification) -> str:
        """Return the person or the endpoint."""
        return str(row.recipient or row.endpoint or "-")

    @display(description="Status", label=LABELS)  # type: ignore[untyped-decorator]  # untyped upstream
    def status_label(self, row: Notification) -> str:
        """Return the status as a label."""
        return row.status
