"""Sign in over HTTP."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.access.operations import authenticated, issue_token
from governance.signin import factors


class LoginInput(serializers.Serializer[None]):
    """Credentials."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1024, trim_whitespace=False)
    code = serializers.CharField(
        max_length=32,
        required=False,
        default="",
        help_text="Of the authenticator app, or a recovery code; needed by who has a second factor.",
    )


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
        """Sign in.

        401 `mfa-required` asks for `code`, `login-refused` says that something was wrong; 429 while locked
        out; 403 for a role that needs a second factor and has none.
        """
        data = LoginInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data
        user = authenticated(request=request._request, username=given["username"], password=given["password"])
        factors.check_code(request=request._request, user=user, code=given["code"])
        token, expires_at = issue_token(request=request._request, user=user)
        return Response(
            {"token": token, "expires_at": expires_at, "permissions": sorted(user.get_all_permissions())}
        )
