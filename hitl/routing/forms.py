"""Forms of routing: people write names, skills and hours as words, tables keep lists."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms

from governance.access.models import User
from governance.types import Risk
from hitl.reviews.models import Review
from hitl.routing import windows
from hitl.routing.models import ReviewerProfile, ReviewQueue, Rotation, Schedule
from tenants.kernel.admin import Checkboxes, Textarea, TextInput
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject

MAX_WORDS = 50
MAX_WORD = 60


class ListField(forms.CharField):
    """A list that people write as text."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare lists; what cannot be read is a change."""
        try:
            read: Any = self.to_python(data)
        except forms.ValidationError:
            return True
        return bool(read != (initial or []))


class WordsField(ListField):
    """Words with commas between, kept as a list without repetitions."""

    widget = TextInput

    def prepare_value(self, value: Any) -> Any:
        """Return the list as text."""
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the list; raise ValidationError for one that is too long."""
        words = list(dict.fromkeys(word.strip() for word in str(value or "").split(",") if word.strip()))
        if len(words) > MAX_WORDS or any(len(word) > MAX_WORD for word in words):
            raise forms.ValidationError(f"Write up to {MAX_WORDS} words of up to {MAX_WORD} characters.")
        return words


class PeopleField(WordsField):
    """User names in their order, kept as a list of ids."""

    def prepare_value(self, value: Any) -> Any:
        """Return the names of the ids."""
        if not isinstance(value, list):
            return value
        names = dict(User.objects.filter(pk__in=value).values_list("pk", "username"))
        return ", ".join(names[pk] for pk in value if pk in names)

    def to_python(self, value: Any) -> Any:
        """Return the ids; raise ValidationError for a name that is no active person."""
        names = super().to_python(value)
        people = User.objects.filter(kind=User.Kind.PERSON, is_active=True, username__in=names)
        ids = dict(people.values_list("username", "pk"))
        if unknown := [name for name in names if name not in ids]:
            raise forms.ValidationError(f"There is no active person named {unknown[0]}.")
        return [ids[name] for name in names]


class WindowsField(ListField):
    """Lines of weekdays and times, kept as a list."""

    widget = Textarea(attrs={"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        """Return the stored windows as lines."""
        return windows.shown(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the stored form; raise ValidationError for a line that is none."""
        try:
            return windows.parse(str(value or ""))
        except InvalidInput as error:
            raise forms.ValidationError(error.detail) from error


class ChoicesField(forms.MultipleChoiceField):
    """Ticked words; none ticked asks for nothing."""

    widget = Checkboxes

    def __init__(self, *, choices: Iterable[tuple[str, str]], **options: Any) -> None:
        super().__init__(choices=list(choices), required=False, **options)


class ReviewQueueForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A queue."""

    risks = ChoicesField(
        choices=[(risk.value, risk.value.capitalize()) for risk in Risk],
        help_text="None ticked: every risk.",
    )
    kinds = ChoicesField(choices=Review.Kind.choices, help_text="None ticked: every kind.")
    skills = WordsField(required=False, help_text=ReviewQueue._meta.get_field("skills").help_text)

    class Meta:
        model = ReviewQueue
        fields = [
            "name", "enabled", "position", "risks", "kinds", "tool", "agent", "group", "skills", "strategy",
            "claim_minutes",
        ]  # fmt: skip


class ReviewerProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """What an admin sets for a reviewer."""

    skills = WordsField(required=False, help_text=ReviewerProfile._meta.get_field("skills").help_text)

    class Meta:
        model = ReviewerProfile
        fields = ["user", "skills", "max_open", "timezone"]


class RotationForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A layer of a schedule."""

    participants = PeopleField(help_text=Rotation._meta.get_field("participants").help_text)
    windows = WindowsField(required=False, help_text=Rotation._meta.get_field("windows").help_text)

    class Meta:
        model = Rotation
        fields = ["layer", "participants", "starts_at", "length", "unit", "handoff", "windows"]


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A schedule; its layers and overrides are beside it."""

    class Meta:
        model = Schedule
        fields = ["name", "timezone"]


class AvailabilityForm(forms.Form):
    """Whether the reader takes reviews; the end of an absence is in their own time zone."""

    available = forms.TypedChoiceField(
        choices=[("yes", "I take reviews"), ("no", "I am away")],
        coerce=lambda value: value == "yes",
    )
    until = forms.DateTimeField(
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
    )

    def __init__(self, profile: ReviewerProfile, now: datetime, data: Any = None) -> None:
        zone = ZoneInfo(profile.timezone)
        is_away = not profile.is_available(now)
        until = profile.away_until if is_away else None
        initial = {"available": "no" if is_away else "yes"}
        super().__init__(
            data, initial={**initial, "until": until.astimezone(zone).replace(tzinfo=None) if until else None}
        )
        self.zone = zone

    def clean_until(self) -> datetime | None:
        """Read the time in the person's zone."""
        until: datetime | None = self.cleaned_data["until"]
        return until.replace(tzinfo=self.zone) if until else None

    def given(self) -> JsonObject:
        """Return what was chosen; until when is of interest only to who is away."""
        available = bool(self.cleaned_data["available"])
        return {"available": available, "until": None if available else self.cleaned_data["until"]}
