"""Call an HTTP tool."""

import json
from typing import Any

from django.utils import timezone

from agents.tools.base import ToolContext
from agents.tools.models import Tool
from agents.tools.remote import failures
from agents.tools.remote.endpoint import Endpoint
from agents.tools.secrets import redact
from governance.types import EffectClass
from tenants.kernel import outbound
from tenants.kernel.jsonvalues import JsonObject

MAX_SAID = 500


def call(tool: Tool, arguments: JsonObject, context: ToolContext) -> Any:
    """Send the request and return the answer: its JSON, or `{"text": …}` where it is no JSON.

    Raises ToolFailed, or OutcomeUnknown where a non-idempotent request was sent and not answered, or
    answered with what leaves open whether it was carried out.
    """
    effect = EffectClass(tool.effect)
    prepared = Endpoint.from_json(tool.definition).prepare(arguments, context.secrets)
    headers = {"Accept": "application/json", **prepared.headers}
    if effect is not EffectClass.READ:
        headers["Idempotency-Key"] = context.idempotency_key
    if tool.audience:
        headers["Authorization"] = f"Bearer {context.token(tool.audience)}"
    patience_s = failures.patience_s(tool.timeout_s)
    try:
        answer = outbound.request(
            prepared.method,
            prepared.url,
            headers=headers,
            json=prepared.json,
            timeout_s=patience_s,
        )
    except outbound.OutboundError as error:
        raise failures.of_transport(error, effect=effect) from error
    text = answer.body.decode("utf-8", "replace")
    failure = failures.of_answer(
        answer.status,
        redact(text, context.hidden)[:MAX_SAID],  # before it is cut: half a credential is not found
        effect=effect,
        retry_after=answer.headers.get("retry-after"),
        now=timezone.now(),
    )
    if failure is not None:
        raise failure
    return _value(text)


def _value(text: str) -> Any:
    """Return the answer's JSON. The request was carried out, so an answer that is none is no failure."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {"text": text}
