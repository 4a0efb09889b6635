"""The checks there are. One line each; packages outside join through the entry-point group."""

from governance.guardrails.base import Check
from tenants.kernel.registry import Registry

REGISTRY: Registry[type[Check]] = Registry(
    "guardrail check",
    {
        "allow-list": "governance.guardrails.checks.simple:AllowList",
        "banned": "governance.guardrails.checks.simple:Banned",
        "injection": "governance.guardrails.checks.injection:PromptInjection",
        "length": "governance.guardrails.checks.simple:Length",
        "pattern": "governance.guardrails.checks.simple:Pattern",
        "pii": "governance.guardrails.checks.pii:PersonalData",
        "schema": "governance.guardrails.checks.simple:Schema",
        "secrets": "governance.guardrails.checks.secrets:Secrets",
    },
    group="countersign.guardrail_checks",
)
