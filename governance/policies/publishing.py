"""Save policies, rehearse them in shadow, put them in force and out of force."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import Q

from governance.access.models import User
from governance.audit import operations as audit
from governance.audit.types import Entry
from governance.policies import packs, recorded
from governance.policies.models import Policy, PolicyReplay, PolicyVersion
from governance.policies.rules import Layer, Rule, compile_rule
from governance.types import SYSTEM, Actor, Subject
from tenants.kernel import live
from tenants.kernel.context import PUBLIC, require_schema
from tenants.kernel.errors import DomainError, InvalidInput, NotFound, PermissionMissing
from tenants.kernel.jsonvalues import JsonObject, sha256_hex

CHANGE, ACTIVATE = "governance.change_policy", "governance.activate_policy"
FRESH = timedelta(hours=24)
"""How old a replay may be when its version comes into force."""


class SecondPersonNeeded(DomainError):
    """Who wrote a version may not put it in force."""

    code = "second-person-needed"
    status = 403
    title = "Somebody other than its author must do this"


class ReplayMissing(DomainError):
    """There is no replay of the version, or the rules have changed since."""

    code = "replay-missing"
    status = 409
    title = "Replay this version first: there is no replay, or the rules in force have changed since"


def compiled(policy: Policy, document: Any, *, author_id: int | None = None, version: str = "") -> Rule:
    """Return the rule as this policy's; raise InvalidInput naming each place that cannot be used."""
    if not isinstance(document, dict):
        raise InvalidInput("/: A rule is a JSON object.", errors=[{"at": "/", "message": "Send an object."}])
    return compile_rule(
        {**document, "id": policy.slug},
        name=policy.name,
        layer=Layer(policy.layer),
        agent_id=str(policy.agent_id) if policy.agent_id else "",
        author_id=author_id,
        version=version,
    )


@transaction.atomic
def save_policy(
    *, policy: Policy, document: Any, by: User | None, now: datetime, check_groups: bool = True
) -> PolicyVersion:
    """Save a policy; a document that differs becomes its next version, which is not in force.

    Raises InvalidInput naming the place: a rule that does not compile cannot be saved, nor one that asks a
    group that does not exist.
    """
    _check_layer(policy)
    rule = compiled(policy, document)
    if check_groups:
        _check_groups(rule)
    policy.full_clean()
    try:
        with transaction.atomic():
            policy.save()
    except IntegrityError as error:
        raise _refused("/slug", f"There is a policy '{policy.slug}' already.") from error
    Policy.objects.select_for_update().get(pk=policy.pk)
    stored = {**document, "id": policy.slug}
    digest = sha256_hex(stored)
    last = policy.versions.order_by("-number").first()
    if last is not None and last.digest == digest:
        return last
    return policy.versions.create(
        number=last.number + 1 if last else 1, document=stored, digest=digest, author=by, created_at=now
    )


def _check_layer(policy: Policy) -> None:
    is_platform = require_schema() == PUBLIC
    if is_platform != (policy.layer == Layer.PLATFORM):
        raise _refused("/layer", "Rules of the platform live on its host, all others with their tenant.")
    if (policy.layer == Layer.AGENT) != (policy.agent_id is not None):
        raise _refused("/agent_id", "Name the agent for a rule of the agent layer, and for no other.")


def _check_groups(rule: Rule) -> None:
    groups = rule.ask.groups if rule.ask else ()
    known = set(Group.objects.filter(name__in=groups).values_list("name", flat=True))
    for group in groups:
        if group not in known:
            raise _refused("/params/approvers", f"There is no group '{group}'.")


def _refused(at: str, message: str) -> InvalidInput:
    return InvalidInput(f"{at}: {message}", errors=[{"at": at, "message": message}])


def version_of(policy: Policy, number: int | None) -> PolicyVersion:
    """Return a version of a policy, the newest if none is named; raise NotFound."""
    versions = policy.versions.select_related("policy", "author")
    found = versions.filter(number=number).first() if number is not None else versions.first()
    if found is None:
        raise NotFound(f"There is no version {number} of {policy.slug}.")
    return found


def rehearse(*, policy_id: UUID | str, number: int | None, by: User, now: datetime) -> Policy:
    """Let decisions record what a version would have said; it decides nothing. Raises PermissionMissing, NotFound."""
    return _point(policy_id, number, by=by, now=now, field="shadow", action="policy.shadowed", needs=CHANGE)


def end_rehearsal(*, policy_id: UUID | str, by: User, now: datetime) -> Policy:
    """Rehearse no version any more. Raises PermissionMissing, NotFound."""
    return _point(policy_id, 0, by=by, now=now, field="shadow", action="policy.unshadowed", needs=CHANGE)


def replayed(
    *,
    policy: Policy,
    number: int | None,
    by: User | None,
    now: datetime,
    window: timedelta = recorded.WINDOW,
    sample: int = recorded.SAMPLE,
) -> PolicyReplay:
    """Replay a version against decisions on record, and keep the report: activation asks for one."""
    version = version_of(policy, number)
    state = state_of_rules()
    rule = compiled(policy, version.document, version=str(version.pk))
    report = recorded.try_rule(rule, now=now, window=window, sample=sample).to_json()
    return PolicyReplay.objects.create(version=version, at=now, by=by, state=state, report=report)


def state_of_rules() -> str:
    """Return a digest of the versions in force: while it stays the same, a replay says what would change."""
    rows = Policy.objects.exclude(active=None).order_by("slug").values_list("slug", "active__digest")
    return sha256_hex([list(row) for row in rows])


def is_fresh(replay: PolicyReplay, *, now: datetime) -> bool:
    """Tell whether its version may come into force on the strength of this replay."""
    return replay.at > now - FRESH and replay.state == state_of_rules()


@transaction.atomic
def activate(*, policy_id: UUID | str, number: int | None, by: User, now: datetime) -> Policy:
    """Put a version in force, in the place of the one before.

    Raises PermissionMissing, NotFound, SecondPersonNeeded to its author, and ReplayMissing unless the version
    was replayed in the last 24 hours against the rules that are in force.
    """
    policy = _locked(policy_id, by, ACTIVATE)
    version = version_of(policy, number)
    _check_second_person(version, by)
    _check_groups(compiled(policy, version.document))
    replays = version.replays.filter(state=state_of_rules(), at__gt=now - FRESH)
    if policy.active_id != version.pk and not replays.exists():
        raise ReplayMissing(version=version.number)
    before = policy.active
    policy.active = version
    if policy.shadow_id == version.pk:
        policy.shadow = None
    policy.save(update_fields=["active", "shadow"])
    _record(policy, "policy.activated", by=by, now=now, version=version, before=before)
    return policy


@transaction.atomic
def retire(*, policy_id: UUID | str, by: User, now: datetime) -> Policy:
    """Put a policy out of force. Raises PermissionMissing, NotFound, and SecondPersonNeeded to its author."""
    policy = _locked(policy_id, by, ACTIVATE)
    before = policy.active
    if before is None:
        raise InvalidInput("No version of it is in force.")
    _check_second_person(before, by)
    policy.active = None
    policy.save(update_fields=["active"])
    _record(policy, "policy.retired", by=by, now=now, version=None, before=before)
    return policy


def _locked(policy_id: UUID | str, by: User, permission: str) -> Policy:
    if not by.has_perm(permission):
        raise PermissionMissing
    policy = Policy.objects.select_for_update().filter(pk=policy_id).first()
    if policy is None:
        raise NotFound
    return policy


def _check_second_person(version: PolicyVersion, by: User) -> None:
    if version.author_id != by.pk:
        return
    others = [user for user in _may_activate() if user.pk != by.pk]
    if others:
        names = ", ".join(user.username for user in others[:5])
        raise SecondPersonNeeded(f"You wrote this version; somebody else must do this, such as {names}.")
    raise SecondPersonNeeded(
        "You wrote this version, and nobody else here may put policies in force. Give a second person the "
        "permission 'Can put policies in force and out of force'."
    )


def _may_activate() -> Sequence[User]:
    named = {"codename": "activate_policy", "content_type__app_label": "governance"}
    own = {f"user_permissions__{name}": value for name, value in named.items()}
    roles = {f"groups__permissions__{name}": value for name, value in named.items()}
    people = User.objects.filter(is_active=True, kind=User.Kind.PERSON)
    return list(people.filter(Q(is_superuser=True) | Q(**own) | Q(**roles)).distinct().order_by("username"))


@transaction.atomic
def _point(
    policy_id: UUID | str,
    number: int | None,
    *,
    by: User,
    now: datetime,
    field: str,
    action: str,
    needs: str,
) -> Policy:
    policy = _locked(policy_id, by, needs)
    before = getattr(policy, field)
    version = None if number == 0 else version_of(policy, number)
    setattr(policy, field, version)
    policy.save(update_fields=[field])
    _record(policy, action, by=by, now=now, version=version, before=before)
    return policy


def _record(
    policy: Policy,
    action: str,
    *,
    by: User | None,
    now: datetime,
    version: PolicyVersion | None,
    before: PolicyVersion | None,
) -> None:
    actor = Actor(kind="person", id=str(by.pk), name=by.username) if by else SYSTEM
    body: JsonObject = {
        "policy": policy.slug,
        "version": version.number if version else None,
        "digest": version.digest if version else "",
        "before": before.number if before else None,
        "author": version.author.username if version and version.author else "",
    }
    audit.record(
        Entry(
            at=now, action=action, actor=actor, subject=Subject(kind="policy", id=str(policy.pk)), body=body
        )
    )
    live.publish_on_commit("policies", policy.pk)


@transaction.atomic
def rehearse_pack(*, slug: str, by: User, now: datetime) -> list[Policy]:
    """Put the newest versions of a pack's rules in shadow; those in force or in shadow already are left as they are.

    Raises PermissionMissing, and NotFound for a pack that does not exist.
    """
    if not by.has_perm("governance.add_policy"):
        raise PermissionMissing
    rehearsed = []
    for draft in packs.pack_of(slug).rules:
        policy = _seeded(draft, pack=slug, now=now)
        if policy.active is not None or policy.shadow is not None:
            continue
        policy.shadow = policy.latest
        policy.save(update_fields=["shadow"])
        _record(policy, "policy.shadowed", by=by, now=now, version=policy.shadow, before=None)
        rehearsed.append(policy)
    return rehearsed


def _seeded(draft: packs.Draft, *, pack: str, now: datetime) -> Policy:
    """Return the tenant's rule of that name, as it has become, or a new draft."""
    policy = Policy.objects.filter(slug=draft.document["id"]).first()
    if policy is None:
        policy = Policy(slug=draft.document["id"], name=draft.name, layer=_own_layer(), pack=pack)
        save_policy(policy=policy, document=draft.document, by=None, now=now)
    return policy


def seed_drafts(*, now: datetime) -> None:
    """Give a tenant the rules of every pack as drafts, which decide nothing until somebody takes them up."""
    for pack in packs.packs().values():
        for draft in pack.rules:
            _seeded(draft, pack=pack.slug, now=now)


def _own_layer() -> Layer:
    return Layer.PLATFORM if require_schema() == PUBLIC else Layer.TENANT


def seed_baseline(*, now: datetime) -> None:
    """Put the baseline in force in a new tenant; what a tenant has changed or retired stays so."""
    for draft in packs.pack_of(packs.BASELINE).rules:
        identifier = draft.document["id"]
        if Policy.objects.filter(slug=identifier).exists():
            continue
        policy = Policy(slug=identifier, name=draft.name, layer=Layer.TENANT, pack=packs.BASELINE)
        policy.active = save_policy(policy=policy, document=draft.document, by=None, now=now)
        policy.save(update_fields=["active"])
