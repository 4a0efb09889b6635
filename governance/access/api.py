"""Sign in over HTTP."""

from drf_spectacular.utils import extend_schema
from knox.models import AuthToken
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.access.operations import authenticated, issue_token, revoke_token


class LoginInput(serializers.Serializer[None]):
    """Credentials."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1024, trim_whitespace=False)


class LoginAnswer(serializers.Serializer[None]):
    """A session token of this tenant."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
    permissions = serializers.ListField(child=serializers.CharField())


class LoginView(APIView):
    """Exchange user name and password for a session token."""

    permission_classes = [AllowAny]
    authentication_classes = []

    @extend_schema(request=LoginInput, responses=LoginAnswer, auth=[])
    def post(self, request: Request) -> Response:
        """Sign in."""
        data = LoginInput(data=request.data)
        data.is_valid(raise_exception=True)
        user = authenticated(request=request._request, **data.validated_data)
        token, expires_at = issue_token(request=request._request, user=user)
        return Response(
            {"token": token, "expires_at": expires_at, "permissions": sorted(user.get_all_permissions())}
        )


class LogoutView(APIView):
    """End the session of the token in use."""

    required_permission = ""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """Sign out."""
        if isinstance(request.auth, AuthToken):  # an API key is ended by its owner, not by signing out
            revoke_token(request=request._request, token=request.auth)
        return Response(status=204)
