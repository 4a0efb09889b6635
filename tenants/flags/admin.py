"""Flags in the admin: a tenant's own, and on the platform's site what holds where a tenant said nothing."""

from typing import Any

from django import forms
from django.http import HttpRequest
from waffle.models import Flag as FlagRow

from tenants.flags.registry import FLAGS
from tenants.kernel.admin import Checkboxes, ConfigAdmin, Select, display


class FlagForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Which flag, and for whom it is on."""

    name = forms.ChoiceField(choices=lambda: [(one.name, one.name) for one in FLAGS.values()], widget=Select)

    class Meta:
        model = FlagRow
        fields = ["name", "everyone", "superusers", "staff", "authenticated", "groups", "users", "note"]
        widgets = {"groups": Checkboxes}
        help_texts = {
            "everyone": "Yes or no for everybody; then nothing below counts. Unknown asks below.",
            "superusers": "On for those who may do everything.",
            "staff": "On for those who may enter the admin.",
            "authenticated": "On for everybody who is signed in.",
            "groups": "On for the people of these roles.",
            "users": "On for these people.",
        }


class FlagAdmin(ConfigAdmin):
    """Switch a part of the product for this tenant; without a row here the platform's, or the default, holds."""

    form = FlagForm
    list_display = ["name", "on_for", "words", "modified"]
    search_fields = ["name", "note"]
    autocomplete_fields = ["users"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Fix which flag it is once it exists."""
        return ["name"] if obj else []

    @display(description="On for", label={"everybody": "success", "nobody": "danger", "some": "warning"})  # type: ignore[untyped-decorator]
    def on_for(self, row: FlagRow) -> str:
        """Return for how many it is on."""
        return {True: "everybody", False: "nobody", None: "some"}[row.everyone]

    @display(description="What it is")  # type: ignore[untyped-decorator]
    def words(self, row: FlagRow) -> str:
        """Return what the flag switches."""
        return FLAGS[row.name].words if row.name in FLAGS else "nothing any more"


class PlatformFlagAdmin(FlagAdmin):
    """What holds in tenants that said nothing themselves: yes or no for everyone."""

    fields = ["name", "everyone", "note"]
