"""Where people sign in, prove it twice, and look after their own account. Nobody signs up."""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from allauth.socialaccount.providers.saml import views as saml
from django.contrib.auth.views import LogoutView
from django.db.transaction import atomic
from django.urls import path, re_path
from django.views.generic import RedirectView

from governance.signin import oidc, views

urlpatterns = [
    path("login/", views.LoginView.as_view(), name="account_login"),
    path("login/code/", mfa.authenticate, name="mfa_authenticate"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/", views.AccountView.as_view(), name="mfa_index"),
    path("account/confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("account/confirm/code/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("account/confirm/passkey/", webauthn.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path("account/app/add/", atomic(totp.activate_totp), name="mfa_activate_totp"),
    path("account/app/remove/", atomic(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("account/recovery/", recovery.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(
        "account/recovery/new/", atomic(recovery.generate_recovery_codes), name="mfa_generate_recovery_codes"
    ),
    path("account/recovery/download/", recovery.download_recovery_codes, name="mfa_download_recovery_codes"),
    path("account/passkeys/", RedirectView.as_view(pattern_name="mfa_index"), name="mfa_list_webauthn"),
    path("account/passkeys/add/", atomic(webauthn.add_webauthn), name="mfa_add_webauthn"),
    path("account/passkeys/options/", views.passkey_options, name="passkey-options"),
    path("account/passkeys/<int:pk>/remove/", atomic(webauthn.remove_webauthn), name="mfa_remove_webauthn"),
    path("account/passkeys/<int:pk>/", atomic(webauthn.edit_webauthn), name="mfa_edit_webauthn"),
    path("account/sessions/", views.sessions, name="usersessions_list"),
    path("account/sessions/others/", views.end_others, name="end-other-sessions"),
    path("account/sessions/<int:pk>/", views.end_session, name="end-session"),
    path("account/password/", atomic(account.password_change), name="account_change_password"),
    path("password/", account.password_reset, name="account_reset_password"),
    path("password/sent/", account.password_reset_done, name="account_reset_password_done"),
    path(
        "password/changed/", account.password_reset_from_key_done, name="account_reset_password_from_key_done"
    ),
    re_path(
        r"^password/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        atomic(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path("sso/oidc/<slug:provider_id>/", oidc.login, name="sso-oidc"),
    path("sso/oidc/<slug:provider_id>/answer/", oidc.callback, name="openid_connect_callback"),
    path("sso/saml/<slug:organization_slug>/", views.saml_login, name="sso-saml"),
    path("sso/saml/<slug:organization_slug>/acs/", views.saml_answer, name="saml_acs"),
    path("sso/saml/<slug:organization_slug>/finish/", views.saml_finish, name="saml_finish_acs"),
    path("sso/saml/<slug:organization_slug>/metadata/", saml.metadata, name="saml_metadata"),
    path("sso/saml/<slug:organization_slug>/logout/", views.not_offered, name="saml_sls"),
]
