"""The tenant's guardrails, as the gate asks for them."""

from collections.abc import Iterable

from django.conf import settings
from django.utils.crypto import salted_hmac

from governance.guardrails.base import Check
from governance.guardrails.engine import Guardrails
from governance.guardrails.models import GuardrailBinding
from governance.guardrails.registry import REGISTRY
from governance.guardrails.types import Action, Finding, Rule, Stage
from tenants.kernel.context import require_schema
from tenants.kernel.errors import DomainError


class Unusable(Check):
    """Stands for a check that cannot be made: everything is found, so that the binding's action applies."""

    slug = "unusable"
    title = "A binding that cannot be used"

    def __init__(self) -> None:
        super().__init__({})

    def scan(self, text: str, *, hint: str = "") -> list[Finding]:
        """Return the text as a whole."""
        return [
            Finding(
                check=self.slug, rule="unusable-binding", start=0, end=len(text), score=1.0, label="unchecked"
            )
        ]


def standing() -> Guardrails:
    """Return the bindings in force, each with its check."""
    return guardrails_of(GuardrailBinding.objects.filter(enabled=True))


def guardrails_of(bindings: Iterable[GuardrailBinding]) -> Guardrails:
    """Return these bindings, each with its check."""
    salt = salted_hmac("countersign.guardrails.tokens", require_schema(), secret=settings.SECRET_KEY)
    return Guardrails(bound=tuple((_rule(row), _check(row)) for row in bindings), salt=salt.digest())


def _rule(row: GuardrailBinding) -> Rule:
    return Rule(
        id=str(row.pk),
        name=row.name,
        stage=Stage(row.stage),
        check=row.check_name,
        action=Action(row.action),
        threshold=row.threshold,
        tool=row.tool,
        agent=row.agent,
        restore_for_tools=row.restore_for_tools,
        marks_untrusted=row.marks_untrusted,
        author_id=row.author_id or 0,
    )


def _check(row: GuardrailBinding) -> Check:
    try:
        return REGISTRY.get(row.check_name)(row.config)
    except DomainError:
        return Unusable()
