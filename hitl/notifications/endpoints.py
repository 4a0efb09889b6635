"""Endpoints of the tenant: their sealed settings, their health, and a test."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.types import SYSTEM, Actor, Subject
from hitl.notifications import operations, pace
from hitl.notifications.base import Channel, SendFailed, refused
from hitl.notifications.models import Endpoint, Notification
from hitl.notifications.registry import CHANNELS, tenant_wide
from hitl.notifications.types import Importance, Kind, Message, Status, Target
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject
from tenants.kernel.models import uuid7
from tenants.keys import operations as keys
from tenants.keys.operations import Place, Sealed
from tenants.keys.sealing import Undecipherable
from tenants.tenancy.urls import base_url
from tenants.tiers.quotas import ensure_feature

KIND = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
CHANGEABLE = frozenset({"name", "enabled", "kinds", "importance"})


@transaction.atomic
def save_endpoint(
    *,
    endpoint: Endpoint,
    config: Mapping[str, str],
    by: Any,
    now: datetime,
    changes: Mapping[str, Any] | None = None,
) -> Endpoint:
    """Store an endpoint; settings that are not given stay as they are.

    Raises InvalidInput, and QuotaExceeded for a new one where the tier has none.

    Enabling one that was disabled forgets its failures.
    """
    is_new = endpoint._state.adding
    if is_new:
        ensure_feature("notification_endpoints")
    else:
        endpoint = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
    if endpoint.channel not in [channel.name for channel in tenant_wide()]:
        raise InvalidInput(
            "No endpoint can be of this channel.",
            errors=[{"at": "/channel", "message": "is not one of the channels"}],
        )
    channel = CHANNELS.get(endpoint.channel)
    complete = complete_config(channel, kept={} if is_new else config_of(endpoint), given=config)
    for name, value in (changes or {}).items():
        if name in CHANGEABLE:
            setattr(endpoint, name, value)
    endpoint.kinds = _kinds(endpoint.kinds)
    if endpoint.enabled and endpoint.disabled_at is not None:
        endpoint.disabled_at, endpoint.disabled_why = None, ""
        endpoint.failures, endpoint.failing_since = 0, None
    if not endpoint.enabled and endpoint.disabled_at is None:
        endpoint.disabled_at, endpoint.disabled_why = now, f"{by.username} disabled it."
    sealed = keys.seal(json.dumps(complete), _place(endpoint))
    endpoint.ciphertext, endpoint.key_version = sealed.ciphertext, sealed.key_version
    endpoint.target = channel.describe(complete)[:200]
    endpoint.updated_at, endpoint.updated_by = now, by.username
    endpoint.full_clean()
    endpoint.save()
    return endpoint


def complete_config(channel: Channel, *, kept: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the settings with those that were kept; raise InvalidInput.

    A secret is not kept for another address than the one it was given for.
    """
    changed = {name: value for name, value in given.items() if value}
    complete = channel.check({**kept, **changed})
    for setting in channel.settings:
        moved = setting.sent_to and complete.get(setting.sent_to) != kept.get(setting.sent_to)
        if moved and setting.name in kept and setting.name not in changed:
            raise refused(
                setting.name, f"Give the {setting.label.lower()} again: it would be sent elsewhere."
            )
    return complete


def _kinds(kinds: Any) -> list[str]:
    words = kinds if isinstance(kinds, list) else None
    if words is None or not all(isinstance(w, str) and KIND.match(w) for w in words):
        problem = "must be a list of words such as review_opened"
        raise InvalidInput("The kinds are not valid.", errors=[{"at": "/kinds", "message": problem}])
    return sorted(set(words))


def config_of(endpoint: Endpoint) -> JsonObject:
    """Return the settings of an endpoint; raise SendFailed if they were altered or moved."""
    sealed = Sealed(ciphertext=bytes(endpoint.ciphertext), key_version=endpoint.key_version)
    try:
        opened: JsonObject = json.loads(keys.unseal(sealed, _place(endpoint)))
    except Undecipherable as error:
        raise SendFailed(
            "The settings of the endpoint cannot be read; save them again.", permanent=True
        ) from error
    return opened


def shown_config(endpoint: Endpoint) -> tuple[dict[str, str], list[str]]:
    """Return the settings that are no secrets, and the names of the secret ones that are set."""
    config = config_of(endpoint)
    secret = {setting.name for setting in CHANNELS.get(endpoint.channel).settings if setting.secret}
    open_ones = {name: value for name, value in config.items() if name not in secret}
    return open_ones, sorted(secret & set(config))


def _place(endpoint: Endpoint) -> Place:
    return Place(model=endpoint._meta.label_lower, field="config", pk=str(endpoint.pk))


def note_success(endpoint_id: UUID, *, now: datetime) -> None:
    """Forget the failures of an endpoint that answered."""
    Endpoint.objects.filter(pk=endpoint_id).update(
        failures=0, failing_since=None, last_error="", last_sent_at=now
    )


def note_failure(endpoint: Endpoint, error: SendFailed, *, now: datetime) -> None:
    """Count a failure; disable the endpoint that is gone, or that has failed too often for too long."""
    row = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
    row.failures += 1
    row.failing_since = row.failing_since or now
    row.last_error = error.detail[:300]
    Endpoint.objects.filter(pk=row.pk).update(
        failures=row.failures, failing_since=row.failing_since, last_error=row.last_error
    )
    if error.disables:
        disable(row, why=error.detail, now=now)
    elif pace.is_lost(failures=row.failures, failing_since=row.failing_since, now=now):
        since = f"{row.failing_since:%Y-%m-%d %H:%M} UTC"
        disable(row, why=f"{row.failures} tries have failed since {since}. {error.detail}", now=now)


@transaction.atomic
def disable(endpoint: Endpoint, *, why: str, now: datetime) -> None:
    """Send nothing more to an endpoint, say so to the admins, and give up what waits for it."""
    if not Endpoint.objects.filter(pk=endpoint.pk, enabled=True).update(
        enabled=False, disabled_at=now, disabled_why=why[:300]
    ):
        return
    for row in Notification.objects.filter(endpoint=endpoint, status=Status.PENDING).select_for_update():
        row.transition(Status.FAILED, last_error=f"The endpoint was disabled. {why}"[:300])
        operations.say_undelivered(row, now=now)
    _record("endpoint.disabled", endpoint, by=SYSTEM, at=now, outcome="disabled", why=why[:300])
    operations.tell(
        recipients=operations.managers(),
        review=None,
        kind=Kind.ENDPOINT_DISABLED,
        importance=Importance.IMPORTANT,
        subject=f"Nothing more is sent to {endpoint.name}",
        text=f"{why} Mend it, then enable it in the admin.",
        dedup=f"disabled:{endpoint.pk}:{now.isoformat()}",
        now=now,
    )


def send_test(*, endpoint: Endpoint, by: Any, now: datetime) -> str:
    """Send a test message now and return what came of it in words. Call it with no transaction open."""
    channel = CHANNELS.get(endpoint.channel)
    message = Message(
        id=f"msg_{uuid7().hex}",
        kind=Kind.TEST,
        importance=Importance.DEFAULT,
        subject="A test from Countersign",
        text=f"{by.username} sent this to see whether it arrives.",
        url=base_url(),
        settings_url="",
        facts=(),
        risk="",
        data={"test": True},
        at=now,
        now=now,
    )
    try:
        channel.send(message, Target(config=config_of(endpoint)))
    except SendFailed as error:
        said, outcome = f"It could not be sent: {error.detail}", "failed"
    else:
        said, outcome = f"It was sent to {endpoint.name} ({endpoint.target}).", "sent"
    person = Actor(kind=by.kind, id=str(by.pk), name=by.username)
    _record("endpoint.tested", endpoint, by=person, at=now, outcome=outcome)
    return said


def _record(action: str, endpoint: Endpoint, *, by: Actor, at: datetime, outcome: str, **body: str) -> None:
    audit.record(
        Entry(
            at=at,
            action=action,
            actor=by,
            subject=Subject(kind="endpoint", id=str(endpoint.pk)),
            outcome=outcome,
            body={"name": endpoint.name, "channel": endpoint.channel, **body},
        )
    )


def chat_endpoints(channel: str) -> Iterable[Endpoint]:
    """Return the enabled endpoints of a chat channel, by name."""
    return Endpoint.objects.filter(channel=channel, enabled=True).order_by("name")
