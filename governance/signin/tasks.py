"""Mail about signing in."""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from celery import shared_task
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse

from governance.access.models import User
from tenants.kernel.tasks import TenantTask

RESET = "governance.send_password_reset"


@shared_task(base=TenantTask, name=RESET)  # type: ignore[untyped-decorator]  # celery is untyped
def send_password_reset(*, user_id: int, site: str) -> None:
    """Send the link under which the person can choose a new password. Made here: no message carries it."""
    user = User.objects.get(pk=user_id)
    parts = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    url = f"{site}{reverse('account_reset_password_from_key', kwargs=parts, urlconf='governance.urls')}"
    body = render_to_string("account/email/password_reset.txt", {"url": url, "site": site, "user": user})
    send_mail("A new password for Countersign", body, settings.DEFAULT_FROM_EMAIL, [user.email])
