"""The page on which people write a rule in sentences, try it on what happened, and save it."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from governance.policies import builder, publishing, recorded, wording
from governance.policies.builder import Form
from governance.policies.models import Policy, PolicyDecision
from governance.policies.rules import LIVE_POINTS, Layer
from tenants.kernel.api import as_domain_error
from tenants.kernel.context import PUBLIC, require_schema
from tenants.kernel.errors import DomainError, InvalidInput
from tenants.kernel.jsonvalues import JsonObject

EFFECTS = (
    ("require_approval", "ask people"),
    ("deny", "refuse the call"),
    ("redact", "take something out"),
    ("allow", "let it run as its risk tier asks"),
)
WINDOWS = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"))
SAMPLE = 500
"""How many of the newest decisions a rule is tried on before it is saved."""
KNOWN = 1000
"""How many of the newest decisions are searched for names to suggest."""


@dataclass(kw_only=True)
class Page:
    """What is on the page: the form, or only JSON for a rule that the form cannot show."""

    policy: Policy
    form: Form | None
    json_text: str
    document: JsonObject = field(default_factory=dict)
    summary: str = ""
    problems: list[str] = field(default_factory=list)
    report: JsonObject | None = None
    saved: bool = False
    days: str = "30"

    def context(self) -> dict[str, Any]:
        """Return what the template shows."""
        return {
            "page": self,
            "policy": self.policy,
            "form": self.form,
            "paths": builder.path_choices(),
            "effects": EFFECTS,
            "compare": [(op, wording.OP_WORDS[op]) for op in builder.COMPARE],
            "groups": list(Group.objects.order_by("name").values_list("name", flat=True)),
            "windows": WINDOWS,
            "sample": SAMPLE,
            "tools": _names("tool"),
            "agents": _names("agent"),
            "is_asked": self.document.get("point", "pre_tool_call") in LIVE_POINTS,
        }


def _names(what: str) -> list[str]:
    rows = PolicyDecision.objects.order_by("-id").values_list(f"request__{what}__name", flat=True)[:KNOWN]
    return sorted({name for name in rows if name})


def shown(policy: Policy) -> Page:
    """Return the page of a policy as it was saved last, or an empty one."""
    if policy._state.adding:
        form = Form()
        form.blocks[0].rows.append(builder.Row())
        return _filled(Page(policy=policy, form=form, json_text=""))
    document = policy.latest.document
    text = _text(document)
    return _filled(
        Page(policy=policy, form=builder.from_document(document), json_text=text, document=document)
    )


def _text(document: JsonObject) -> str:
    return json.dumps(
        {name: value for name, value in document.items() if name != "id"}, ensure_ascii=False, indent=2
    )


def acted(request: HttpRequest, policy: Policy, by: Any) -> Page:
    """Return the page after what was pressed on it: a row more, the rule tried, or the rule saved."""
    data = request.POST
    policy.name = data.get("name", policy.name).strip()
    if policy._state.adding:
        policy.slug = data.get("slug", "").strip()
        policy.layer = Layer.PLATFORM if require_schema() == PUBLIC else Layer.TENANT
    word = data.get("do", "")
    days = data.get("days", "30")
    page = Page(
        policy=policy, form=None, json_text=data.get("json", ""), days=days if days in dict(WINDOWS) else "30"
    )
    if data.get("as") == "json" or word == "use-json":
        _read_json(page, into_form=word == "use-json")
    else:
        page.form = builder.posted(data, data.getlist("groups"))
        builder.steered(page.form, word)
        page.document = builder.to_document(page.form)
    match word:
        case "save":
            _save(request, page, by)
        case "test":
            _test(page)
    return _filled(page, say_errors=word in {"test", "use-json", "refresh"})


def _read_json(page: Page, *, into_form: bool) -> None:
    try:
        document = json.loads(page.json_text)
    except ValueError as error:
        page.problems.append(f"This is no JSON: {error}.")
        return
    if not isinstance(document, dict):
        page.problems.append("A rule is a JSON object.")
        return
    page.document = document
    if into_form and not _errors(page):
        page.form = builder.from_document(document)
        if page.form is None:
            page.problems.append("The rule is sound, but says more than the form can show; edit it here.")


def _filled(page: Page, *, say_errors: bool = False) -> Page:
    """Add the rule in words, or what is wrong with it."""
    if not page.document and page.form is not None:
        page.document = builder.to_document(page.form)
    errors = _errors(page)
    if not errors and page.document:
        page.summary = wording.in_words(page.document)
    elif say_errors:
        _tell(page, errors)
    if page.form is not None:
        page.json_text = _text(page.document)
    return page


def _errors(page: Page) -> list[dict[str, Any]]:
    if not page.document:
        return []
    try:
        publishing.compiled(_named(page.policy), page.document)
    except InvalidInput as error:
        return error.errors
    return []


def _named(policy: Policy) -> Policy:
    """Return a policy that has an id to compile under, so that only the rule itself is judged."""
    return policy if policy.slug else Policy(slug="new", name=policy.name, layer=policy.layer)


def _tell(page: Page, errors: list[dict[str, Any]]) -> None:
    if page.form is not None:
        builder.mark(page.form, errors)
        page.problems += [page.form.errors.pop("form")] if "form" in page.form.errors else []
    else:
        page.problems += [f"{error['at']}: {error['message']}" for error in errors]


def _save(request: HttpRequest, page: Page, by: Any) -> None:
    try:
        version = publishing.save_policy(
            policy=page.policy, document=page.document, by=by, now=timezone.now()
        )
    except (DomainError, ValidationError) as raised:
        error = as_domain_error(raised)
        assert error is not None  # noqa: S101  # both kinds are known there
        _tell(page, error.errors or [{"at": "/", "message": error.detail}])
        return
    page.saved = True
    said = f"Saved as version {version.number}. It is a draft: somebody else puts it in force."
    messages.success(request, said)


def _test(page: Page) -> None:
    try:
        rule = publishing.compiled(_named(page.policy), page.document)
    except InvalidInput:
        return  # the errors are told beside the fields
    window = timedelta(days=int(page.days))
    page.report = recorded.try_rule(rule, now=timezone.now(), window=window, sample=SAMPLE).to_json()
