"""API keys in the admin: make one's own, see when each was used, end them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from governance.access.keys import operations, scopes
from governance.access.keys.models import ApiKey
from tenants.kernel.admin import (
    LABELS,
    Button,
    Checkboxes,
    ConfigAdmin,
    OperationsAdmin,
    Textarea,
    TextInput,
    display,
)
from tenants.kernel.errors import DomainError

REVOKE = Button(
    method="revoke",
    label="End this key",
    help="At once. Whatever uses it is refused from now on.",
    variant="danger",
)


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A key to make."""

    # Not `scopes`: the row's field of that name is not editable.
    wanted = forms.MultipleChoiceField(
        label="Scopes",
        choices=lambda: [(scope, scope) for scope in scopes.known()],
        widget=Checkboxes,
        help_text="The key may what these and you both may.",
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=operations.MAX_DAYS,
        initial=operations.DAYS,
        widget=TextInput(attrs={"type": "number"}),
        label="Valid for (days)",
    )
    networks = forms.CharField(
        required=False,
        widget=Textarea(attrs={"rows": 2}),
        label="Only from",
        help_text="Addresses or networks such as 192.0.2.0/24, one a line; empty for any.",
    )

    class Meta:
        model = ApiKey
        fields = ["name"]


class ApiKeyAdmin(OperationsAdmin, ConfigAdmin):
    """One's own keys, and everybody's for those who may view them. A key is shown when it is made, and never again."""

    form = KeyForm
    buttons = (REVOKE,)
    list_display = ["name", "prefix", "owner", "state", "scopes_shown", "expires_at", "last_used_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "prefix", "owner__username"]
    readonly_fields = [
        "owner", "prefix", "state", "scopes_shown", "from_shown", "created_at", "expires_at", "last_used_at",
        "revoked_at", "replaced_by",
    ]  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        """Ask for little; show what there is to know of a key."""
        return ["name", *self.readonly_fields] if obj else ["name", "wanted", "days", "networks"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Return the keys that the person may see."""
        keys: Any = super().get_queryset(request)
        return keys.seen_by(request.user)  # type: ignore[no-any-return]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the list to whoever may have keys."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let everybody see their own who may make them."""
        return self.has_add_permission(request) or bool(super().has_view_permission(request, obj))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a key is rotated or ended."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a key that was ended stays on the list."""
        return False

    def offered_buttons(self, request: HttpRequest, obj: ApiKey) -> list[Button]:
        """Offer to end what still works."""
        mine = obj.owner_id == request.user.pk or request.user.has_perm("governance.revoke_apikey")
        return [REVOKE] if mine and obj.revoked_at is None else []

    def revoke(self, request: HttpRequest, key: ApiKey) -> str:
        """End the key."""
        operations.revoke_key(key=key, by=request.user, now=timezone.now())
        return f"{key} has ended."

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Make the key; its text goes to the page that follows and nowhere else."""
        given = form.cleaned_data
        made, text = operations.create_key(
            owner=request.user,
            name=given["name"],
            wanted=given["wanted"],
            days=given["days"],
            allowed_ips=[line for line in given["networks"].splitlines() if line.strip()],
            now=timezone.now(),
        )
        obj.__dict__.update(made.__dict__)
        request.made_key = text  # type: ignore[attr-defined]  # read by response_add

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the new key this once."""
        return self._shown_once(request, obj, request.made_key)  # type: ignore[attr-defined]  # by save_model

    def get_urls(self) -> list[Any]:
        """Add the page of the rotation."""
        view = self.admin_site.admin_view(self.rotate_view)
        return [path("<path:object_id>/rotate/", view, name=f"{self._name}_rotate"), *super().get_urls()]

    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask how long the old key is to work; on POST replace it and show the new one."""
        key = self.get_object(request, object_id)
        if key is None:
            raise Http404
        if not self.has_view_permission(request, key) or key.owner_id != request.user.pk:
            raise PermissionDenied
        error = ""
        if request.method == "POST":
            given = request.POST.get("overlap_h", "")
            try:
                hours = int(given) if given.isdecimal() else -1
                following, text = operations.rotate_key(
                    key=key, by=request.user, now=timezone.now(), overlap_h=hours
                )
            except DomainError as raised:
                error = raised.detail
            else:
                return self._shown_once(request, following, text)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Rotate {key}",
            "opts": self.opts,
            "key": key,
            "back": self._url("change", key.pk),
            "overlap_h": operations.OVERLAP_H,
            "max_overlap_h": operations.MAX_OVERLAP_H,
            "error": error,
        }
        return TemplateResponse(
            request, "admin/governance/apikey/rotate.html", context, status=422 if error else 200
        )

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, obj: Any = None, **more: Any
    ) -> Any:
        """Lead to the rotation of what still works."""
        usable = obj is not None and obj.owner_id == request.user.pk and obj.replaced_by_id is None
        if usable and not obj.is_over(timezone.now()):
            context["rotate"] = self._url("rotate", obj.pk)
        return super().render_change_form(request, context, *args, obj=obj, **more)

    def _shown_once(self, request: HttpRequest, key: ApiKey, text: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"New API key {key.name}",
            "opts": self.opts,
            "key": key,
            "text": text,
            "back": self._url("change", key.pk),
        }
        return TemplateResponse(request, "admin/governance/apikey/new.html", context)

    @display(description="State", label=LABELS)  # type: ignore[untyped-decorator]  # untyped upstream
    def state(self, key: ApiKey) -> str:
        """Return whether it works."""
        if key.revoked_at is not None:
            return "ended"
        if key.is_over(timezone.now()):
            return "expired"
        return "rotated" if key.replaced_by_id else "enabled"

    @admin.display(description="Scopes")
    def scopes_shown(self, key: ApiKey) -> str:
        """Return what it is limited to."""
        return ", ".join(key.scopes)

    @admin.display(description="Only from")
    def from_shown(self, key: ApiKey) -> str:
        """Return where it may come from."""
        return ", ".join(key.allowed_ips) or "anywhere"
