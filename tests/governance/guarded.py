"""Rows of guardrails that tests of many routes need."""

from typing import Any

from governance.guardrails import operations
from governance.guardrails.models import GuardrailBinding, GuardrailFinding, RedactedValue
from governance.guardrails.types import Stage
from governance.types import Removed
from tenants.kernel.models import uuid7
from tests.governance.samples import NOW, RUN_ID

FOUND = {
    "binding": "only-at-acme",
    "check": "pii",
    "rule": "email_address",
    "label": "EMAIL_ADDRESS",
    "score": 1.0,
    "at": "/query",
    "span": [0, 9],
    "action": "redact",
}


def guardrails() -> dict[str, Any]:
    """Make a binding, a finding and a value that was taken out; return their ids by route."""
    binding = GuardrailBinding.objects.create(
        name="only-at-acme", stage="input", check_name="pii", action="redact", tool="only-at-acme"
    )
    removed = Removed(
        token="[PII:only-at-acme:0a1b2c3d]", text="only-at-acme@x.org", label="EMAIL_ADDRESS", check="pii"
    )
    run_id = str(uuid7()) if RedactedValue.objects.filter(run_id=RUN_ID).exists() else RUN_ID
    operations.keep(
        findings=[FOUND], removed=[removed], stage=Stage.INPUT, run_id=run_id, step_id=None, now=NOW
    )
    return {
        "governance/guardrails": binding.pk,
        "governance/findings": GuardrailFinding.objects.latest("id").pk,
        "governance/redacted": RedactedValue.objects.latest("id").pk,
    }
