"""Forms of plans in the admin: stages as lines, or the whole document where lines do not suffice."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from hitl.reviews.models import ReviewPlan
from hitl.reviews.quorum import AUTHOR, DELEGATOR, EDITOR, EXCLUSIONS, INITIATOR, OWNER, PARALLEL, SEQUENTIAL
from hitl.reviews.rules import lines
from tenants.kernel.admin import Checkboxes, Select, Textarea
from tenants.kernel.errors import InvalidInput

WHO = {
    INITIATOR: "who asked for the run (always)",
    DELEGATOR: "on whose behalf it was asked",
    OWNER: "who owns the agent",
    EDITOR: "who made the last edit",
    AUTHOR: "who wrote the rule that asks",
}


class ReviewPlanForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A plan. `author` is who edits it."""

    author: Any = None

    stages = forms.CharField(
        required=False,
        strip=True,
        widget=Textarea(attrs={"rows": 4}),
        help_text="One line for each stage; all must be met. Such as: peer: 1 of payments. A line may offer several "
        "ways: control: 2 of risk or 1 of cro. Groups are those of Access, Roles; anybody is whoever may decide.",
    )
    order = forms.ChoiceField(
        widget=Select,
        choices=[(PARALLEL, "all stages at once"), (SEQUENTIAL, "one stage after the other")],
        initial=PARALLEL,
    )
    min_distinct = forms.IntegerField(
        label="People in all",
        min_value=1,
        max_value=10,
        initial=1,
        help_text="At least so many different people, whatever the stages. The gate's own number always holds.",
    )
    exclude = forms.MultipleChoiceField(
        label="Who does not decide",
        choices=list(WHO.items()),
        widget=Checkboxes,
        initial=list(EXCLUSIONS),
    )
    human_only = forms.BooleanField(
        label="Each call by hand",
        required=False,
        initial=True,
        help_text="Standing grants do not count.",
    )
    allow_overlap = forms.BooleanField(
        label="One person may count for several stages", required=False, initial=False
    )
    document = forms.JSONField(
        label="As JSON",
        required=False,
        widget=Textarea(attrs={"rows": 12}),
        help_text="Only for conditions that lines cannot say, such as reviewer.username == 'rita', or other numbers of "
        "rejections. Leave it empty otherwise; if it is filled in, it is the whole plan.",
    )

    class Meta:
        model = ReviewPlan
        fields = ["name", "risk", "tool", "enabled", "document"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial.update(_initial(self.instance.document))

    def clean(self) -> dict[str, Any]:
        """Make the document of the lines and the options beside them, or take the one that was written."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        self.instance.author = self.author
        text, document = given.get("stages", ""), given.get("document")
        if self.errors:
            return given
        if bool(text) == bool(document):
            raise ValidationError({"stages": "Write the stages as lines, or the plan as JSON; not both."})
        if text:
            try:
                stages = lines.parse(text)
            except InvalidInput as error:
                raise ValidationError({"stages": error.detail}) from error
            options = ("order", "min_distinct", "exclude", "human_only", "allow_overlap")
            given["document"] = {"stages": stages, **{name: given[name] for name in options}}
        return given

    def _post_clean(self) -> None:
        """Say what is wrong with a plan where it was written."""
        super()._post_clean()  # type: ignore[misc]  # not in the stubs
        if self.cleaned_data.get("stages") and "document" in self.errors:
            found = self._errors.pop("document")  # type: ignore[attr-defined]  # not in the stubs
            self.add_error("stages", [str(message) for message in found])


def _initial(document: dict[str, Any]) -> dict[str, Any]:
    text = lines.text_of(document)
    if text is None:
        return {"document": json.loads(json.dumps(document))}
    options = {
        "order": document.get("order", PARALLEL),
        "min_distinct": document.get("min_distinct", 1),
        "exclude": document.get("exclude", list(EXCLUSIONS)),
        "human_only": document.get("human_only", True),
        "allow_overlap": document.get("allow_overlap", False),
    }
    return {"stages": text, "document": None, **options}
