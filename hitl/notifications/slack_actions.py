"""What somebody pressed in Slack: whose hand it was, and what it may decide."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from slack_sdk.signature import Clock, SignatureVerifier

from hitl.notifications import endpoints
from hitl.notifications.base import SendFailed, post
from hitl.notifications.channels.slack import APPROVE, REASON, REJECT, escaped
from hitl.notifications.messages import is_decided_in_chat
from hitl.notifications.models import ChatAction, Contact, Endpoint
from hitl.notifications.registry import SLACK
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.record import AssuranceTooLow
from hitl.reviews.types import Assurance, Channel, DecisionVerb, Response
from tenants.kernel.errors import DomainError, InvalidInput, NotFound, PermissionMissing
from tenants.kernel.jsonvalues import JsonObject, sha256_hex

VERBS = {APPROVE: DecisionVerb.APPROVE, REJECT: DecisionVerb.REJECT}
MAX_BODY = 256 * 1024
DIGITS = 12
ANSWERS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
"""Where Slack takes answers to presses; a signed request does not make us ask any other host."""


class SignatureRefused(PermissionMissing):
    """The request was not signed by a Slack app of this tenant, or is older than five minutes."""

    code = "signature-refused"
    status = 401


@dataclass(frozen=True, kw_only=True)
class Press:
    """One press of a button: who, in which app, on which message, and what its value says."""

    member: str
    verb: DecisionVerb
    review_id: UUID
    version: int
    digest: str
    reason: str
    nonce: str
    response_url: str


class _At(Clock):
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> float:
        """Return the time of the request."""
        return self._now.timestamp()


def signed_by(body: bytes, headers: Mapping[str, str], *, now: datetime) -> Endpoint:
    """Return the endpoint whose app signed the body within five minutes of `now`; raise SignatureRefused."""
    timestamp = headers.get("X-Slack-Request-Timestamp", "")
    signature = headers.get("X-Slack-Signature", "")
    well_formed = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= DIGITS
    if len(body) > MAX_BODY or not well_formed or not signature.isascii():
        raise SignatureRefused("The request carries no valid signature.")
    for endpoint in endpoints.chat_endpoints(SLACK):
        secret = endpoints.config_of(endpoint).get("signing_secret", "")
        if secret and _is_signed(secret, body, timestamp, signature, now):
            return endpoint
    raise SignatureRefused("The request carries no valid signature.")


def _is_signed(secret: str, body: bytes, timestamp: str, signature: str, now: datetime) -> bool:
    try:
        return SignatureVerifier(secret, clock=_At(now)).is_valid(body, timestamp, signature)
    except UnicodeDecodeError:
        return False


def read(payload: str) -> Press | None:
    """Return what was pressed; None for a button that only opens a page. Raises InvalidInput."""
    try:
        said = json.loads(payload)
        action = said["actions"][0]
        if action["action_id"] not in VERBS:
            return None
        value = json.loads(action["value"])
        member = str(said["user"]["id"])
        message = said.get("container") or {}
        clicked = [member, message.get("message_ts", ""), action["action_id"], action.get("action_ts", "")]
        return Press(
            member=member,
            verb=VERBS[action["action_id"]],
            review_id=UUID(value["review"]),
            version=int(value["version"]),
            digest=str(value["digest"]),
            reason=_reason(said),
            nonce=sha256_hex([*clicked, value["review"]]),
            response_url=str(said.get("response_url", "")),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise InvalidInput("This is no press of a button of ours.") from error


def _reason(said: JsonObject) -> str:
    field = said.get("state", {}).get("values", {}).get(REASON, {}).get(REASON, {})
    return str(field.get("value") or "")[:2000]


def act(press: Press, *, endpoint: Endpoint, now: datetime) -> tuple[str, bool]:
    """Decide what was pressed, once; return what to say, and whether the buttons are done with."""
    try:
        return _decide(press, endpoint=endpoint, now=now), True
    except AssuranceTooLow:
        return "This must be decided on its page; open it there.", False
    except DomainError as error:
        return error.detail, error.status == 409  # noqa: PLR2004  # somebody was first


@transaction.atomic
def _decide(press: Press, *, endpoint: Endpoint, now: datetime) -> str:
    user = _person(press.member, endpoint)
    _, is_first = ChatAction.objects.get_or_create(
        nonce=press.nonce, defaults={"user": user, "review_id": press.review_id, "at": now}
    )
    if not is_first:
        return "This press was counted before."
    review = Review.objects.filter(pk=press.review_id).first()
    if review is None:
        raise NotFound("There is no such review.")
    if review.status == Review.Status.PENDING and not is_decided_in_chat(review):
        raise AssuranceTooLow("Decide it on its page.")
    response = Response(
        verb=press.verb,
        channel=Channel.CHAT,
        assurance=Assurance.CHAT,
        message=press.reason,
        version=press.version,
        digest=press.digest,
    )
    decided = reviews.respond(review_id=press.review_id, reviewer=user, response=response, now=now)
    what = "approved" if press.verb is DecisionVerb.APPROVE else "rejected"
    open_still = " More people must decide." if decided.status == Review.Status.PENDING else ""
    return f"{user.username} {what} this.{open_still}"


def _person(member: str, endpoint: Endpoint) -> Any:
    contact = (
        Contact.objects.filter(
            channel=SLACK, endpoint=endpoint, address=member, verified_at__isnull=False, disabled_at=None
        )
        .select_related("user")
        .first()
    )
    if contact is None or not contact.user.is_active:
        raise PermissionMissing(
            "Your Slack account belongs to nobody here. Add it on your page Notifications in Countersign."
        )
    return contact.user


def reply(*, response_url: str, text: str, final: bool) -> None:
    """Tell Slack what came of a press: in place of the message, or to the person alone. Raises SendFailed."""
    if not _is_slacks(response_url):
        raise SendFailed("Slack gave no address of its own to answer to.", permanent=True)
    body: JsonObject = {"replace_original": final, "text": escaped(text)}
    post(response_url, json=body if final else {**body, "response_type": "ephemeral"})


def _is_slacks(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.netloc.lower() in ANSWERS
    except ValueError:
        return False
