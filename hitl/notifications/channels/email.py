"""E-mail by Django's mail backend, so that every provider of django-anymail works."""

from collections.abc import Mapping
from typing import Any

from anymail.exceptions import AnymailError
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.template.loader import render_to_string

from hitl.notifications.base import Channel, SendFailed, Setting, refused
from hitl.notifications.pace import MAIL_S
from hitl.notifications.types import Message, Target
from tenants.kernel.errors import InvalidInput

PERMANENT = range(500, 600)


class Email(Channel):
    """To a person's address, or to an address that a team reads. The operator configures the mail server."""

    name = "email"
    label = "E-mail"
    personal = True
    tenant_wide = True
    settings = (Setting(name="to", label="Address", help="Where a team reads, such as risk@example.com."),)
    schedule = MAIL_S

    def check_address(self, address: str) -> str:
        """Return the address without blanks around it; raise InvalidInput for what is none."""
        cleaned = address.strip()
        try:
            validate_email(cleaned)
        except ValidationError as error:
            raise InvalidInput(
                "This is not an e-mail address.", errors=[{"at": "/address", "message": "is no address"}]
            ) from error
        return cleaned

    def check(self, config: Mapping[str, str]) -> dict[str, str]:
        """Refuse a team's address that is none."""
        cleaned = super().check(config)
        try:
            cleaned["to"] = self.check_address(cleaned["to"])
        except InvalidInput as error:
            raise refused("to", error.detail) from error
        return cleaned

    def describe(self, config: Mapping[str, str]) -> str:
        """Return the address."""
        return config.get("to", "")

    def send(self, message: Message, target: Target) -> str:
        """Send text and HTML in one mail; its Message-ID stays the same over all attempts."""
        context = {"message": message}
        domain = settings.PLATFORM_HOST
        mail = EmailMultiAlternatives(
            subject=message.subject,
            body=render_to_string("hitl/mail.txt", context),
            to=[target.address or target.config["to"]],
            headers={"Message-ID": f"<{message.id}@{domain}>", "Auto-Submitted": "auto-generated"},
        )
        mail.attach_alternative(render_to_string("hitl/mail.html", context), "text/html")
        try:
            mail.send()
        except (OSError, AnymailError) as error:  # SMTP's errors are OSErrors
            codes = _codes(error)
            permanent = bool(codes) and all(code in PERMANENT for code in codes)
            said = f"The mail server answered {', '.join(map(str, codes))}." if codes else _unreached(error)
            raise SendFailed(said, permanent=permanent) from error
        return ""


def _codes(error: Exception) -> list[int]:
    """Return the reply codes of an SMTP server, or the HTTP status of a provider."""
    refused_for: Any = getattr(error, "recipients", None)
    if isinstance(refused_for, dict):
        return [code for code, _ in refused_for.values()]
    code = getattr(error, "smtp_code", None) or getattr(error, "status_code", None)
    return [code] if isinstance(code, int) else []


def _unreached(error: Exception) -> str:
    return f"The mail server could not be reached ({type(error).__name__})."


CHANNEL = Email()
