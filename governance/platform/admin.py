"""Tenants and tiers in the platform's admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.safestring import SafeString

from governance.platform import operations
from governance.platform.api import csv_response
from governance.platform.operations import FirstPerson
from tenants.kernel.admin import (
    LABELS,
    Button,
    ConfigAdmin,
    OperationsAdmin,
    Select,
    Textarea,
    TextInput,
    display,
)
from tenants.kernel.context import PUBLIC
from tenants.kernel.errors import InvalidInput
from tenants.templatetags.display import inert
from tenants.tenancy.models import State, Tenant
from tenants.tiers.limits import limits_of
from tenants.tiers.models import FREE, Tier
from tenants.tiers.operations import MAX_REASON
from tenants.tiers.types import WORDS, Limit, problems_of
from tenants.usage import report
from tenants.usage.bars import bars
from tenants.usage.report import Period

REASON_FIELD = "reason"
ACTIVATE = Button(
    method="activate",
    label="Activate",
    help="Its people are let in again, and its runs go on from where they were.",
)
INVITE = Button(
    method="invite",
    label="Show the invitation",
    help="Somebody has no password yet. Showing the address at which they choose one is on record.",
    variant="secondary",
)
INVITED = "Hand this address to {username} alone: {url} It works once, and for three days."
CHARTED = ("runs", "tool_calls", "reviews")


class TenantForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """What can be said of a tenant."""

    tier = forms.ModelChoiceField(queryset=Tier.objects.all(), widget=Select, initial=FREE)

    class Meta:
        model = Tenant
        fields = ["name", "tier", "overrides"]
        widgets = {"overrides": Textarea(attrs={"rows": 4}), "name": TextInput}
        help_texts = {
            "overrides": "Limits agreed with this tenant, in place of its tier's: "
            f"{', '.join(Limit)} (null is unlimited) and features (a list). For example "
            '{"agents": 25}.'
        }

    def clean_overrides(self) -> Any:
        """Name each limit that cannot be."""
        overrides = self.cleaned_data["overrides"] or {}
        if problems := problems_of(overrides):
            raise ValidationError([f"{one['at']}: {one['message']}" for one in problems])
        return overrides


class NewTenantForm(TenantForm):
    """A new tenant, with its first administrator."""

    schema = forms.CharField(
        max_length=48,
        required=False,
        widget=TextInput,
        help_text="Letters a to z, digits and _; made of the name if empty.",
    )
    domain = forms.CharField(
        max_length=253,
        required=False,
        widget=TextInput,
        help_text="The host name; the schema under the platform's own if empty.",
    )
    admin_username = forms.CharField(
        max_length=150,
        required=False,
        widget=TextInput,
        label="First administrator",
        help_text="A user name. You get an address at which they choose their password.",
    )
    admin_email = forms.EmailField(required=False, widget=TextInput, label="Their e-mail address")


class TenantAdmin(OperationsAdmin):
    """Make tenants, change what they may have, suspend and activate them, and see what they use."""

    form = TenantForm
    list_display = ["name", "schema_name", "tier", "state_label", "created_at"]
    list_filter = ["state", "tier"]
    search_fields = ["name", "schema_name"]
    change_form_outer_before_template = "admin/tenants/tenant/over.html"
    buttons = (ACTIVATE, INVITE, Button(method="suspend", label="Suspend", help="", variant="danger"))
    shown = ["schema_name", "hosts", "state_label", "state_told"]

    def get_queryset(self, request: HttpRequest) -> Any:
        """Leave the platform itself out."""
        return super().get_queryset(request).exclude(schema_name=PUBLIC).select_related("tier")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Ask more of a new one."""
        return super().get_form(
            request, obj, change=change, form=self.form if obj else NewTenantForm, **kwargs
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Show what became of it; ask for a host and a person where there is none yet."""
        asked = ["name", "tier", "overrides"]
        return (
            [*asked, *self.shown]
            if obj
            else [*asked[:2], "schema", "domain", "admin_username", "admin_email"]
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Let nothing be edited that only operations change."""
        return self.shown if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a tenant is suspended, and its evidence stays."""
        return False

    def offered_buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """Offer to activate one that is suspended; suspending asks for a reason beside it."""
        offered = []
        if obj.state == State.SUSPENDED and request.user.has_perm(operations.SUSPEND):
            offered.append(ACTIVATE)
        if request.user.has_perm(operations.ADD) and operations.without_password(tenant=obj):
            offered.append(INVITE)
        return offered

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """Add the form that suspends, and the way to its usage."""
        if obj is not None:
            may = request.user.has_perm(operations.SUSPEND) and obj.state == State.ACTIVE
            context["suspend_url"] = self._url("suspend", obj.pk) if may else ""
            context["usage_url"] = self._url("usage", obj.pk)
            context["max_reason"] = MAX_REASON
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        """Call the operations that the API calls."""
        given, now = form.cleaned_data, timezone.now()
        if change:
            operations.change(
                tenant=obj,
                by=request.user,
                now=now,
                name=given["name"],
                tier=given["tier"].pk,
                overrides=given["overrides"],
            )
            return
        username = given["admin_username"]
        made = operations.create(
            name=given["name"],
            tier=given["tier"].pk,
            schema=given["schema"],
            domain=given["domain"],
            admin=FirstPerson(username=username, email=given["admin_email"]) if username else None,
            by=request.user,
            now=now,
        )
        obj.pk, obj.schema_name = made.pk, made.schema_name
        obj._state.adding = False
        if username:
            self._tell_invitation(request, made, username)

    def invite(self, request: HttpRequest, tenant: Tenant) -> str:
        """Show where the first person who has no password yet chooses one."""
        username = next(iter(operations.without_password(tenant=tenant)), "")
        url = operations.invite(tenant=tenant, username=username, by=request.user, now=timezone.now())
        return INVITED.format(username=username, url=url)

    def _tell_invitation(self, request: HttpRequest, tenant: Tenant, username: str) -> None:
        url = operations.invitation(tenant=tenant, username=username)
        messages.info(request, INVITED.format(username=username, url=url))

    def activate(self, request: HttpRequest, tenant: Tenant) -> str:
        """Serve it again."""
        operations.activate(tenant=tenant, by=request.user, now=timezone.now())
        return f"{tenant.name} is active."

    def suspend(self, request: HttpRequest, tenant: Tenant) -> str:
        """Stop serving it, for the reason given."""
        reason = request.POST.get(REASON_FIELD, "")
        operations.suspend(tenant=tenant, reason=reason, by=request.user, now=timezone.now())
        return f"{tenant.name} is suspended: nothing starts there and nobody is let in."

    def get_urls(self) -> list[Any]:
        """Add the page of usage."""
        page = self.admin_site.admin_view(self.usage)
        return [path("<path:object_id>/usage/", page, name=f"{self._name}_usage"), *super().get_urls()]

    def usage(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what the tenant used on each day of a period, or give it as CSV."""
        tenant = self.get_object(request, object_id)
        if not self.has_view_permission(request, tenant):
            raise PermissionDenied
        if tenant is None:
            raise Http404
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": f"Usage of {tenant.name}",
            "opts": self.opts,
            "tenant": tenant,
            "back": self._url("change", tenant.pk),
            "first": request.GET.get("from", ""),
            "last": request.GET.get("to", ""),
        }
        now = timezone.now()
        try:
            period = Period.parse(first=context["first"], last=context["last"], now=now)
        except InvalidInput as error:
            context["error"] = error.detail
            return TemplateResponse(request, "admin/tenants/tenant/usage.html", context, status=error.status)
        if request.GET.get("format") == "csv":
            return csv_response(tenant, period)
        context |= self._figures(tenant, period, now)
        return TemplateResponse(request, "admin/tenants/tenant/usage.html", context)

    def _figures(self, tenant: Tenant, period: Period, now: Any) -> dict[str, Any]:
        found = report.usage(tenant=tenant, period=period)
        used, limits = report.in_use(tenant=tenant, now=now), limits_of(tenant)
        return {
            "period": period,
            "meters": [name.replace("_", " ") for name in found.totals],
            "rows": [(day, list(row.values())) for day, row in reversed(found.days)],
            "totals": list(found.totals.values()),
            "charts": [
                (
                    name.replace("_", " "),
                    found.totals[name],
                    bars([(f"{day:%-d %b}", row[name]) for day, row in found.days]),
                )
                for name in CHARTED
                if name in found.totals
            ],
            "limits": [(WORDS[limit], limits.of(limit), used.get(limit)) for limit in Limit],
        }

    @display(description="State", label={**LABELS, "active": "success", "suspended": "danger"})  # type: ignore[untyped-decorator]
    def state_label(self, tenant: Tenant) -> str:
        """Return whether it is served."""
        return str(tenant.state)

    @admin.display(description="Since")
    def state_told(self, tenant: Tenant) -> SafeString | str:
        """Return since when it is so, by whom and why."""
        if tenant.state_at is None:
            return "it was made"
        said = f"{tenant.state_at:%Y-%m-%d %H:%M} UTC, by {tenant.state_by or 'the system'}"
        return inert(f"{said}: {tenant.state_reason}" if tenant.state_reason else said)

    @admin.display(description="Hosts")
    def hosts(self, tenant: Tenant) -> str:
        """Return where it answers."""
        return ", ".join(tenant.domains.values_list("domain", flat=True))


class TierAdmin(ConfigAdmin):
    """What a tier allows; a change counts for all its tenants at once."""

    list_display = ["slug", "rank", "agents", "people", "runs_per_day", "tokens_per_month", "concurrent_runs"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Fix the name of one that exists."""
        return ["slug"] if obj else []
