"""Authentication of API requests."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from governance.access.models import User


class PersonTokenAuthentication(TokenAuthentication):  # type: ignore[misc]  # untyped upstream
    """Accept session tokens of people; an agent's identity never signs in."""

    def validate_user(self, auth_token: Any) -> Any:
        """Refuse agents and inactive people."""
        user, token = super().validate_user(auth_token)
        if user.kind != User.Kind.PERSON:
            raise AuthenticationFailed
        return user, token


class PersonTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped upstream
    """Describe the bearer token in the API's schema."""

    target_class = PersonTokenAuthentication
    name = "sessionToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the OpenAPI security scheme."""
        return {"type": "http", "scheme": "bearer"}
