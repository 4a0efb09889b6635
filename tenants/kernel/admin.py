"""The admin theme, in one place: admin classes take these bases and never import the theme."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget as Checkboxes
from unfold.widgets import UnfoldAdminPasswordWidget as PasswordInput
from unfold.widgets import UnfoldAdminSelectWidget as Select
from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
from unfold.widgets import UnfoldAdminTextInputWidget as TextInput

from tenants.kernel.errors import DomainError, PermissionMissing

__all__ = [
    "LABELS",
    "Button",
    "Checkboxes",
    "ConfigAdmin",
    "EvidenceAdmin",
    "OperationsAdmin",
    "PasswordInput",
    "Select",
    "StackedInline",
    "TabularInline",
    "TextInput",
    "Textarea",
    "action",
    "display",
]

# Colours of stored words, for `display(label=LABELS)`; a word that is not here is grey.
LABELS = {
    **dict.fromkeys(["pending", "waiting", "paused", "medium", "half_open", "quarantined"], "warning"),
    **dict.fromkeys(["queued", "running"], "info"),
    **dict.fromkeys(["approved", "answered", "succeeded", "closed", "enabled", "set"], "success"),
    **dict.fromkeys(["rejected", "failed", "high", "critical", "open", "standing"], "danger"),
}


class Refusing(ModelAdmin):  # type: ignore[misc]  # untyped upstream
    """Forms that show what an operation refuses as a message."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show what an operation refuses as a message on the same page."""
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except PermissionMissing as error:
            raise PermissionDenied(error.detail) from error
        except DomainError as error:
            messages.error(request, error.detail)
            return HttpResponseRedirect(request.path)
        return response


class ConfigAdmin(Refusing):
    """Configuration that permitted people edit; django-auditlog records each change."""

    list_per_page = 50


class EvidenceAdmin(ModelAdmin):  # type: ignore[misc]  # untyped upstream
    """Evidence: read by those with the view permission, changed by nobody, superusers included."""

    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


@dataclass(frozen=True, kw_only=True)
class Button:
    """A button on an object's page. It calls `method` of the admin class, which returns what to tell the person."""

    method: str
    label: str
    help: str
    variant: str = "primary"


class OperationsAdmin(Refusing):
    """Pages that call operations: buttons that send a POST, and refusals shown as messages."""

    change_form_outer_before_template = "admin/buttons.html"
    buttons: tuple[Button, ...] = ()

    def offered_buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """Return what the person may press now; the operation decides again."""
        return list(self.buttons)

    def get_urls(self) -> list[Any]:
        """Give each button its address."""
        own = [
            path(
                f"<path:object_id>/{button.method.replace('_', '-')}/",
                self.admin_site.admin_view(self._view_of(button)),
                name=f"{self._name}_{button.method}",
            )
            for button in self.buttons
        ]
        return [*own, *super().get_urls()]

    @property
    def _name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def _url(self, page: str, pk: object) -> str:
        return reverse(f"{self.admin_site.name}:{self._name}_{page}", args=[pk])

    def _view_of(self, button: Button) -> Callable[..., HttpResponse]:
        def press(request: HttpRequest, object_id: str) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not self.has_view_permission(request):
                raise PermissionDenied
            obj = self.get_object(request, unquote(object_id))
            if obj is None:
                raise Http404
            try:
                messages.success(request, getattr(self, button.method)(request, obj))
            except PermissionMissing as error:
                raise PermissionDenied(error.detail) from error
            except DomainError as error:
                messages.error(request, error.detail)
            if obj.pk is None:  # what the button did away with
                return HttpResponseRedirect(reverse(f"{self.admin_site.name}:{self._name}_changelist"))
            return HttpResponseRedirect(self._url("change", obj.pk))

        return press

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """Put the buttons over the form of an object that exists."""
        offered = self.offered_buttons(request, obj) if obj else []
        context["buttons"] = [
            {"button": button, "url": self._url(button.method, obj.pk)} for button in offered
        ]
        response: HttpResponse = super().render_change_form(request, context, *args, obj=obj, **kwargs)
        return response
