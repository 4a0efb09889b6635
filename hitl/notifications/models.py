"""Who is reached how, where the tenant is told, and the outbox."""

from datetime import datetime

from django.conf import settings
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models

from hitl.notifications.registry import IN_APP, SLACK
from hitl.notifications.types import Importance, Status
from tenants.kernel.models import Identified, StatusModel

MAX_WAIT_S = 24 * 3600
IMPORTANCES = [(importance.value, importance.value) for importance in Importance]
SHOWN = (Status.SENT, Status.BUNDLED)


class Endpoint(Identified):
    """A place that the whole tenant is told at: a team's channel, an on-call service, a program.

    Its settings are sealed under the tenant's key. `failures` counts tries since the last success.
    """

    name = models.CharField(
        max_length=60,
        unique=True,
        validators=[RegexValidator(r"^[\w][\w .-]*\Z", "Use letters, digits, blanks and . - _")],
    )
    channel = models.CharField(max_length=20, editable=False)
    target = models.CharField(max_length=200, blank=True, editable=False)
    ciphertext = models.BinaryField(editable=False)
    key_version = models.PositiveIntegerField(editable=False)
    enabled = models.BooleanField(default=True)
    disabled_at = models.DateTimeField(null=True, editable=False)
    disabled_why = models.CharField(max_length=300, blank=True, editable=False)
    kinds = models.JSONField(
        default=list, blank=True, help_text="What it is told of, such as review_opened. Empty for everything."
    )
    importance = models.CharField(
        max_length=10,
        choices=IMPORTANCES,
        default=Importance.DEFAULT,
        help_text="“important” leaves out everything that is not.",
    )
    failures = models.PositiveIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True, editable=False)
    last_sent_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(editable=False)
    updated_by = models.CharField(max_length=150, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Contact(Identified):
    """How a person is reached. It counts once they have confirmed it with a code that was sent there.

    For Slack, `endpoint` is the app that knows the member; a member of it is one person here.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    channel = models.CharField(max_length=20)
    address = models.CharField(max_length=254)
    endpoint = models.ForeignKey(Endpoint, null=True, on_delete=models.PROTECT, related_name="+")
    nonce = models.CharField(max_length=32, editable=False)
    code_sent_at = models.DateTimeField(editable=False)
    code_tries = models.PositiveSmallIntegerField(default=0, editable=False)
    verified_at = models.DateTimeField(null=True, editable=False)
    disabled_at = models.DateTimeField(null=True, editable=False)
    disabled_why = models.CharField(max_length=300, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "channel", "endpoint", "address"],
                nulls_distinct=False,
                name="one_contact_per_address",
            ),
            models.UniqueConstraint(
                fields=["endpoint", "address"],
                condition=models.Q(channel=SLACK, verified_at__isnull=False),
                name="one_person_per_chat_account",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.address}"

    @property
    def is_usable(self) -> bool:
        """Tell whether messages go there."""
        works = self.endpoint is None or self.endpoint.enabled
        return works and self.verified_at is not None and self.disabled_at is None


class NotificationRule(Identified):
    """One step of how a person is told: a contact, or the inbox, and the wait before the next step."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    importance = models.CharField(max_length=10, choices=IMPORTANCES)
    position = models.PositiveSmallIntegerField()
    contact = models.ForeignKey(
        Contact, null=True, on_delete=models.CASCADE, related_name="+", help_text="Empty for the inbox."
    )
    wait_s = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(MAX_WAIT_S)],
        help_text="Seconds until the next step, while nobody has decided.",
    )

    class Meta:
        ordering = ["user", "importance", "position"]
        constraints = [
            models.UniqueConstraint(fields=["user", "importance", "position"], name="one_rule_per_position")
        ]

    def __str__(self) -> str:
        return f"{self.importance} {self.position}"


class NotificationQuerySet(models.QuerySet["Notification"]):
    """Questions about the outbox."""

    def due(self, now: datetime) -> "NotificationQuerySet":
        """Return what may be sent now: waiting and due, or claimed by a sender that is lost."""
        return self.filter(status__in=[Status.PENDING, Status.SENDING], next_at__lte=now)

    def inbox_of(self, user: int | None) -> "NotificationQuerySet":
        """Return what is in the inbox of a person, latest first."""
        return self.filter(recipient_id=user, channel=IN_APP, status__in=SHOWN).order_by("-sent_at", "-id")

    def unread(self) -> "NotificationQuerySet":
        """Return what was not read."""
        return self.filter(read_at=None)


class Notification(StatusModel):
    """One message to one person or endpoint by one channel. A row in the inbox is a message by `in_app`.

    `key` makes it exist once. `next_at` is when it is tried, or, while it is being sent, when its
    sender counts as lost.
    """

    TRANSITIONS = {
        Status.PENDING: frozenset({Status.SENDING, Status.CANCELLED, Status.FAILED}),
        Status.SENDING: frozenset(
            {Status.SENT, Status.BUNDLED, Status.PENDING, Status.FAILED, Status.CANCELLED}
        ),
        Status.FAILED: frozenset({Status.PENDING}),
    }

    key = models.CharField(max_length=64, unique=True)
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+"
    )
    endpoint = models.ForeignKey(Endpoint, null=True, on_delete=models.PROTECT, related_name="+")
    contact = models.ForeignKey(Contact, null=True, on_delete=models.SET_NULL, related_name="+")
    channel = models.CharField(max_length=20)
    address = models.CharField(max_length=254, blank=True)
    review_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=40)
    importance = models.CharField(max_length=10, choices=IMPORTANCES)
    asks = models.BooleanField(default=False, help_text="Pointless once its review is decided.")
    alone = models.BooleanField(default=False, help_text="Never bundled, never held back by the hourly cap.")
    subject = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    payload = models.JSONField(default=dict)
    path = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=120, blank=True, help_text="Why it goes this way, if by no rule.")
    status = models.CharField(
        max_length=10, choices=[(status.value, status.value) for status in Status], default=Status.PENDING
    )
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    bundle = models.UUIDField(null=True, help_text="The row in whose message it went out.")
    receipt = models.CharField(max_length=200, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=models.Q(status="pending") | models.Q(status="sending"),
                name="notification_due",
            ),
            models.Index(fields=["recipient", "sent_at"], name="notification_of_person"),
            models.Index(fields=["review_id"], name="notification_of_review"),
            models.Index(fields=["endpoint", "status"], name="notification_of_endpoint"),
        ]

    def __str__(self) -> str:
        return self.subject


class ChatAction(models.Model):
    """A press of a button in a chat, so that none counts twice."""

    nonce = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    review_id = models.UUIDField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.nonce[:12]
