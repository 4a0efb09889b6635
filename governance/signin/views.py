"""Pages of signing in, and of one's own sessions."""

from typing import Any

from allauth.account.utils import perform_login
from allauth.mfa.base import views as mfa
from allauth.mfa.webauthn.internal.auth import begin_authentication
from allauth.socialaccount.providers.saml import views as saml
from allauth.socialaccount.providers.saml.utils import get_app_or_404
from allauth.usersessions.models import UserSession
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from knox.models import AuthToken

from governance.signin import record
from governance.signin.enrolment import FLAG
from governance.signin.forms import LoginForm
from governance.signin.leaving import leave
from governance.signin.models import IdentityProvider


class LoginView(auth.LoginView):
    """Sign in with a password; whoever has a second factor is asked for it next."""

    template_name = "login.html"
    redirect_authenticated_user = True
    authentication_form = LoginForm

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Go on through the stages of the sign-in."""
        response: HttpResponse = perform_login(
            self.request, form.get_user(), email_verification="none", redirect_url=self.get_success_url()
        )
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        """Show what was wrong; a lock says so in its status too."""
        status = 429 if getattr(self.request, "axes_locked_out", False) else 200
        return self.render_to_response(self.get_context_data(form=form), status=status)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the identity providers that have pages."""
        pages = IdentityProvider.objects.filter(enabled=True).exclude(kind=IdentityProvider.Kind.LDAP)
        return {**super().get_context_data(**kwargs), "providers": [_entry(row) for row in pages]}


def _entry(row: IdentityProvider) -> dict[str, str]:
    return {"name": row.name, "url": reverse(f"sso-{row.kind}", args=[row.slug])}


class AccountView(mfa.IndexView):  # type: ignore[misc]  # untyped upstream
    """One's own second factors."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add whether a factor is needed before anything else."""
        page: dict[str, Any] = super().get_context_data(**kwargs)
        return {**page, "must_enrol": bool(self.request.session.get(FLAG))}


@login_required
def sessions(request: HttpRequest) -> HttpResponse:
    """List one's own sessions, of browsers and of the API."""
    browsers = UserSession.objects.filter(user=request.user).order_by("-created_at")
    live = [session for session in browsers if session.exists()]
    tokens = AuthToken.objects.filter(user=request.user).order_by("-created")
    page = {"sessions": live, "current": request.session.session_key, "tokens": tokens}
    return render(request, "account/sessions.html", page)


@require_POST
@login_required
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of one's own browser sessions."""
    session = get_object_or_404(UserSession, pk=pk, user=request.user)
    with transaction.atomic():
        session.end()
        record.write(
            "auth.session_ended", "ok", request=request, user=request.user, body={"address": session.ip}
        )
    return HttpResponseRedirect(reverse("usersessions_list"))


@require_POST
@login_required
def end_others(request: HttpRequest) -> HttpResponse:
    """End every other session, of browsers and of the API."""
    with transaction.atomic():
        others = UserSession.objects.filter(user=request.user)
        for session in others.exclude(session_key=request.session.session_key):
            session.end()
        AuthToken.objects.filter(user=request.user).delete()
        record.write("auth.session_ended", "ok", request=request, user=request.user, body={"which": "others"})
    return HttpResponseRedirect(reverse("usersessions_list"))


@require_POST
@login_required
def passkey_options(request: HttpRequest) -> HttpResponse:
    """Return a challenge for one's own passkeys, to be answered within this session."""
    return JsonResponse(begin_authentication(request.user))


@require_POST
def saml_login(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Begin a sign-in at a SAML provider."""
    return leave(request, saml.login(request, organization_slug=organization_slug))


@csrf_exempt
@require_POST
def saml_answer(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Take the form that a SAML provider posts; it is looked at where the session's cookie arrives too."""
    get_app_or_404(request, organization_slug)
    response: HttpResponse = saml.acs(request, organization_slug=organization_slug)
    return response


@require_GET
def saml_finish(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Look at what the provider posted; what is no XML is refused like what is not signed."""
    try:
        response: HttpResponse = saml.finish_acs(request, organization_slug=organization_slug)
    except (SyntaxError, ValueError):  # of the XML parser
        return render(request, "socialaccount/authentication_error.html", status=401)
    return response


def not_offered(request: HttpRequest, **_: Any) -> HttpResponse:
    """Answer that there is no such page: allauth asks for its address alone."""
    raise Http404
