"""Forms of signing in."""

from typing import Any

from allauth.account.forms import ResetPasswordForm as AllauthResetPasswordForm
from django import forms
from django.contrib.auth.forms import AuthenticationForm

from governance.access.models import User
from governance.access.operations import LockedOut


class LoginForm(AuthenticationForm):
    """User name and password. What is wrong is not told, except that it was tried too often."""

    def get_invalid_login_error(self) -> forms.ValidationError:
        """Return the one error of every refusal, or that of a lock."""
        if getattr(self.request, "axes_locked_out", False):
            return forms.ValidationError(f"{LockedOut.title}.", code="locked-out")
        return super().get_invalid_login_error()


class ResetPasswordForm(AllauthResetPasswordForm):  # type: ignore[misc]  # untyped upstream
    """An e-mail address; the answer is the same whether anybody has it."""

    def clean_email(self) -> str:
        """Keep the people with a password of their own; agents and directory accounts have none."""
        email: str = super().clean_email()
        self.users: list[Any] = [
            user for user in self.users if user.kind == User.Kind.PERSON and user.has_usable_password()
        ]
        return email
