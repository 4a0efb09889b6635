"""Guardrails in the admin: bindings with a text to try them on, what they found, and what they took out."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from governance.guardrails import operations, preview
from governance.guardrails.models import GuardrailBinding, RedactedValue
from governance.guardrails.registry import REGISTRY
from tenants.kernel.admin import LABELS, ConfigAdmin, EvidenceAdmin, Select, display
from tenants.kernel.errors import DomainError
from tenants.templatetags.display import inert

ACTION_LABELS = {**LABELS, "block": "danger", "redact": "info", "require_approval": "warning"}
MAX_TRIED = 20_000
"""Characters of a text to try; a page is answered at once."""


class BindingForm(forms.ModelForm):  # type: ignore[type-arg]
    """A binding, its check chosen from those there are."""

    check_name = forms.ChoiceField(
        label="Check",
        choices=lambda: [(slug, f"{REGISTRY.get(slug).title} ({slug})") for slug in REGISTRY],
        widget=Select,
    )

    class Meta:
        model = GuardrailBinding
        fields = [
            "name", "stage", "check_name", "action", "threshold", "tool", "agent", "config", "restore_for_tools",
            "marks_untrusted", "enabled",
        ]  # fmt: skip


class GuardrailBindingAdmin(ConfigAdmin):
    """What is looked for where, and what a finding leads to."""

    form = BindingForm
    list_display = ["name", "where", "check_name", "action_label", "threshold", "enabled", "author"]
    list_filter = ["stage", "check_name", "action", "enabled"]
    list_select_related = ["author"]
    search_fields = ["name", "tool", "agent"]
    readonly_fields = ["settings_shown", "try_link", "author"]
    fields = [
        "name", "stage", "check_name", "action", "threshold", "tool", "agent", "config", "settings_shown",
        "restore_for_tools", "marks_untrusted", "enabled",
    ]  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: GuardrailBinding | None = None) -> list[str]:
        """Show who wrote it, and offer to try it, once it is written."""
        return [*self.fields, *(["try_link", "author"] if obj else [])]

    def save_model(self, request: HttpRequest, obj: Any, form: object, change: bool) -> None:
        """Name who edits as its author: they do not decide calls that it holds."""
        obj.author = request.user
        super().save_model(request, obj, form, change)

    def get_urls(self) -> list[Any]:
        """Add the page on which a binding is tried."""
        view = self.admin_site.admin_view(self.try_view)
        return [
            path("<path:object_id>/try/", view, name="governance_guardrailbinding_try"),
            *super().get_urls(),
        ]

    def try_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what the binding finds in a text; nothing is recorded and nothing changes."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        binding = self.get_object(request, object_id)
        if binding is None:
            raise Http404
        text = request.POST.get("text", "").replace("\r\n", "\n")[:MAX_TRIED]
        context = {
            **self.admin_site.each_context(request),
            "title": f"Try {binding.name}",
            "binding": binding,
            "text": text,
            "most": MAX_TRIED,
            "back": "../change/",
        }
        if request.method == "POST":
            screening = operations.tried(binding, text)
            context["screening"] = screening
            context["pieces"] = preview.pieces(text, screening)
        return TemplateResponse(request, "admin/guardrail_try.html", context)

    @admin.display(description="Where")
    def where(self, binding: GuardrailBinding) -> SafeString:
        """Return where it looks, in words."""
        tools = "" if binding.tool == "*" else f" of {binding.tool}"
        agents = "" if binding.agent == "*" else f", agent {binding.agent}"
        return inert(f"{binding.get_stage_display()}{tools}{agents}")

    @display(description="Action", label=ACTION_LABELS, ordering="action")  # type: ignore[untyped-decorator]  # untyped upstream
    def action_label(self, binding: GuardrailBinding) -> str:
        """Return the action as a label."""
        return binding.action

    @admin.display(description="Settings there are")
    def settings_shown(self, binding: GuardrailBinding) -> str:
        """Return what each check can be told."""
        lines = [
            f"{slug}: {name} - {meaning}"
            for slug in REGISTRY
            for name, meaning in REGISTRY.get(slug).settings.items()
        ]
        return format_html('<pre class="stored">{}</pre>', "\n".join(lines))

    @admin.display(description="Try it")
    def try_link(self, binding: GuardrailBinding) -> str:
        """Return the way to the page on which it is tried."""
        return format_html('<a class="text-link" href="../try/">{}</a>', "See what it finds in a text")


class GuardrailFindingAdmin(EvidenceAdmin):
    """What guardrails found. Never the text itself."""

    list_display = ["at", "label", "rule", "binding", "stage", "action_label", "score", "run_id"]
    list_filter = ["stage", "check_name", "action"]
    search_fields = ["run_id", "label", "binding"]

    @display(description="Action", label=ACTION_LABELS, ordering="action")  # type: ignore[untyped-decorator]  # untyped upstream
    def action_label(self, finding: Any) -> str:
        """Return the action as a label."""
        return str(finding.action)


class RedactedValueAdmin(EvidenceAdmin):
    """What was taken out of runs: who may see a value gives a reason and the password, and is put on record."""

    list_display = ["token", "label", "stage", "run_id", "created_at"]
    list_filter = ["label", "stage"]
    search_fields = ["token", "run_id"]
    readonly_fields = ["token", "label", "stage", "run_id", "check_name", "created_at", "reveal_link"]
    fields = readonly_fields

    def get_urls(self) -> list[Any]:
        """Add the page on which a value is revealed."""
        view = self.admin_site.admin_view(self.reveal_view)
        return [
            path("<path:object_id>/reveal/", view, name="governance_redactedvalue_reveal"),
            *super().get_urls(),
        ]

    def reveal_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason and the password; then show the value once."""
        if not request.user.has_perm(operations.REVEAL):
            raise PermissionDenied
        value = self.get_object(request, object_id)
        if value is None:
            raise Http404
        context = {**self.admin_site.each_context(request), "title": f"Reveal {value.token}", "value": value}
        if request.method == "POST":
            try:
                context["original"] = operations.reveal(
                    value_id=value.pk,
                    by=request.user,  # type: ignore[arg-type]  # signed in: the page is the admin's
                    password=request.POST.get("password", ""),
                    reason=request.POST.get("reason", ""),
                    now=timezone.now(),
                )
            except DomainError as error:
                context["problem"] = error.detail
        response = TemplateResponse(request, "admin/guardrail_reveal.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.display(description="What it stands for")
    def reveal_link(self, value: RedactedValue) -> str:
        """Return the way to the page that reveals it."""
        return format_html('<a class="text-link" href="../reveal/">{}</a>', "Reveal it, with a reason")
