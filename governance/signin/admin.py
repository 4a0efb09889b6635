"""Who is locked out, who has second factors, and where else people may sign in."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.utils import timezone

from governance.signin import lockout
from governance.signin.enrolment import FACTORS
from governance.signin.models import IdentityProvider, RoleMapping
from tenants.kernel.admin import (
    Button,
    ConfigAdmin,
    EvidenceAdmin,
    OperationsAdmin,
    PasswordInput,
    TabularInline,
    display,
)


class LockOutAdmin(EvidenceAdmin, OperationsAdmin):
    """Failed sign-ins by name and address, and the button that forgets them."""

    list_display = ["username", "ip_address", "failures_since_start", "attempt_time", "locked"]
    search_fields = ["username", "ip_address"]
    fields = ["username", "ip_address", "failures_since_start", "attempt_time", "locked"]
    ordering = ["-attempt_time"]
    buttons = (Button(method="lift", label="Forget these failures", help="Lifts the lock at once."),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Show everything as text."""
        return self.fields

    @display(description="Locked until")  # type: ignore[untyped-decorator]  # untyped upstream
    def locked(self, obj: Any) -> str:
        """Return when the lock ends."""
        end = lockout.locked_until(
            lockout.OF_NAME, failures=obj.failures_since_start, last_at=obj.attempt_time
        )
        return end.strftime("%Y-%m-%d %H:%M UTC") if end and end > timezone.now() else "not locked"

    def offered_buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """Offer the button to who may press it."""
        return list(self.buttons) if request.user.has_perm(lockout.LIFT) else []

    def lift(self, request: HttpRequest, obj: Any) -> str:
        """Forget the failures."""
        lockout.lift(attempt=obj, by=request.user, now=timezone.now())
        return f"{obj.username} may try again from {obj.ip_address}."


class SecondFactorAdmin(EvidenceAdmin):
    """Second factors: which, not what. A superuser may remove one that its person has lost."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    fields = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    search_fields = ["user__username"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let superusers remove a lost factor; who can do that can sign in with the password alone."""
        return bool(request.user.is_superuser)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Remove the factor, and recovery codes that stand for nothing any more."""
        user = obj.user
        obj.delete()
        if not type(obj).objects.filter(user=user, type__in=FACTORS).exists():
            type(obj).objects.filter(user=user).delete()

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Remove each as if alone."""
        for factor in queryset:
            self.delete_model(request, factor)


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A provider and its secret, which is never shown again."""

    secret = forms.CharField(
        required=False,
        widget=PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Of the client, or of the DN that searches. Stored sealed; leave empty to keep it.",
    )

    class Meta:
        model = IdentityProvider
        fields = [
            "kind", "slug", "name", "enabled", "url", "client_id", "certificate", "user_dn", "search_base",
            "search_filter", "role_claim", "links_by_email", "creates_people", "domains",
        ]  # fmt: skip


class RoleMappingInline(TabularInline):  # type: ignore[misc]  # untyped upstream
    """Which groups of the provider give which roles."""

    model = RoleMapping
    extra = 1

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Name each field of a row: its column's heading is none to who does not see it."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs["aria-label"] = str(db_field.verbose_name).capitalize()
        return field


class IdentityProviderAdmin(ConfigAdmin):
    """OpenID Connect, SAML and LDAP of this tenant."""

    form = ProviderForm
    inlines = [RoleMappingInline]
    list_display = ["name", "kind", "enabled", "url", "links_by_email", "creates_people"]
    fieldsets = (
        (None, {"fields": ["kind", "name", "slug", "enabled"]}),
        ("Where it is", {"fields": ["url", "client_id", "secret", "certificate"]}),
        ("Directory", {"fields": ["user_dn", "search_base", "search_filter"]}),
        ("Who may sign in", {"fields": ["links_by_email", "creates_people", "domains", "role_claim"]}),
    )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Seal a new secret with the row."""
        if form.cleaned_data.get("secret"):
            obj.seal(form.cleaned_data["secret"])
            messages.info(request, "The secret is stored sealed.")
        super().save_model(request, obj, form, change)
