"""The page on which a new person sets a first password."""

from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlsafe_base64_decode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from governance.access.models import User
from governance.platform.operations import awaits_password


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def welcome(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Ask for a password; on POST set it and lead to the sign-in. An address works once."""
    person = _invited(uid, token)
    if person is None:
        return render(request, "welcome.html", status=404)
    form = SetPasswordForm(person, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return HttpResponseRedirect(reverse("account_login"))
    status = 422 if request.method == "POST" else 200
    return render(request, "welcome.html", {"form": form, "person": person}, status=status)


def _invited(uid: str, token: str) -> User | None:
    """Return the person whom the address was made for, if they have no password yet."""
    try:
        pk = int(urlsafe_base64_decode(uid).decode())
    except (ValueError, OverflowError):
        return None
    person = User.objects.filter(pk=pk, kind=User.Kind.PERSON, is_active=True).first()
    if person is None or not awaits_password(person):
        return None
    return person if default_token_generator.check_token(person, token) else None
