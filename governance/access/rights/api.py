"""Roles, levels and the question who may do what, over HTTP."""

from functools import cached_property
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.access.custom_roles import operations as roles
from governance.access.custom_roles.inheritance import sources
from governance.access.idempotency import once
from governance.access.models import Role, User
from governance.access.rights import explain
from governance.access.rights.operations import grant_level, may_grant
from governance.access.rights.types import Finding, Level
from tenants.kernel.errors import InvalidInput, NotFound, PermissionMissing

LEVELS = [level.value for level in Level]
GROUP = "group:"


class RoleSerializer(serializers.ModelSerializer[Role]):
    """A role. `inherited` says for each further permission which roles give it."""

    parents: Any = serializers.SlugRelatedField(slug_field="name", many=True, read_only=True)
    permissions = serializers.SerializerMethodField()
    inherited = serializers.SerializerMethodField()

    class Meta:
        model = Role
        fields = ["name", "description", "built_in", "parents", "permissions", "inherited"]

    @cached_property
    def _graph(self) -> Any:
        """Read what inherits from what once for the page: the serializer of a list serves each of its roles."""
        return roles.graph()

    def get_permissions(self, role: Role) -> list[str]:
        """Return the role's own permissions."""
        return sorted(self._graph[1][role.name])

    def get_inherited(self, role: Role) -> dict[str, list[str]]:
        """Return what it has from others, with who gives it."""
        parents, own = self._graph
        found = sources(role.name, parents=parents, own=own)
        return {name: givers for name, givers in sorted(found.items()) if role.name not in givers}


class RoleViewSet(ListModelMixin, viewsets.GenericViewSet[Role]):
    """The roles of this tenant."""

    required_permission = "governance.view_role"
    queryset = Role.objects.prefetch_related("parents")
    serializer_class = RoleSerializer


class RoleAssignInput(serializers.Serializer[None]):
    """Who is to have a role."""

    user = serializers.CharField(max_length=150)
    role = serializers.CharField(max_length=150)
    remove = serializers.BooleanField(required=False, default=False)


class AssignRoleView(APIView):
    """Give a person a role, or take it away."""

    required_permission = "governance.change_user"

    @extend_schema(request=RoleAssignInput, responses={200: RoleAssignInput})
    def post(self, request: Request) -> Response:
        """Assign a role; refused for oneself and for roles that have what the caller lacks."""
        data = RoleAssignInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data
        user = User.objects.filter(username=given["user"]).first()
        role = Role.objects.filter(name=given["role"]).select_related("group").first()
        if user is None:
            raise _unknown("/user", f"Nobody here is called '{given['user']}'.")
        if role is None:
            names = ", ".join(Role.objects.values_list("name", flat=True))
            raise _unknown("/role", f"There is no role '{given['role']}'. Known: {names}.")

        def change() -> tuple[int, Any]:
            roles.assign(user=user, role=role, remove=given["remove"], by=request.user, now=timezone.now())
            return 200, dict(given)

        status, body = once(request, change)
        return Response(body, status=status)


class CheckInput(serializers.Serializer[None]):
    """The question: may `subject`, or `user` through `agent`, do something with a resource?"""

    subject = serializers.CharField(
        max_length=160, required=False, help_text="A username, or agent:NAME; yourself if nobody is named."
    )
    user = serializers.CharField(max_length=150, required=False)
    agent = serializers.CharField(max_length=120, required=False)
    resource = serializers.CharField(max_length=140, help_text="KIND:NAME, such as tool:refund_order.")
    level = serializers.ChoiceField(LEVELS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take either a subject, or a person and an agent."""
        if ("user" in attrs) != ("agent" in attrs) or ("user" in attrs and "subject" in attrs):
            raise serializers.ValidationError("Name a subject, or both a user and an agent.")
        return attrs


class ViaSerializer(serializers.Serializer[None]):
    """One way in which somebody holds a right."""

    by = serializers.ChoiceField(["superuser", "role", "group", "own", "object", "object-group"])
    name = serializers.CharField(required=False)
    permission = serializers.CharField(required=False)
    inherited_from = serializers.CharField(required=False)


class FindingSerializer(serializers.Serializer[None]):
    """Whether something is allowed, and why."""

    allowed = serializers.BooleanField()
    reason = serializers.CharField()
    via = ViaSerializer(many=True)


class EffectiveSerializer(serializers.Serializer[None]):
    """What each of the three says of which all must allow it."""

    user = FindingSerializer()
    agent = FindingSerializer()
    tenant = FindingSerializer()


class AnswerSerializer(FindingSerializer):
    """The answer; `effective` where a person and an agent were named."""

    effective = EffectiveSerializer(required=False)


class CheckPermissionView(APIView):
    """Ask who may do what with a resource, and why. Everybody may ask about themselves."""

    required_permission = ""

    @extend_schema(request=CheckInput, responses={200: AnswerSerializer})
    def post(self, request: Request) -> Response:
        """Answer; nothing is changed."""
        data = CheckInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data
        asker: Any = request.user
        name = given.get("subject") or given.get("user") or asker.username
        about_others = name != asker.username
        if about_others and not asker.has_perm("governance.check_permission"):
            raise PermissionMissing("You may ask about yourself only.")
        user, level = explain.find_subject(name), Level(given["level"])
        try:
            kind, target = explain.find_resource(given["resource"])
        except NotFound:
            if asker.has_perm("governance.check_permission"):
                raise
            reason = f"{name} has neither a role nor a right that gives {level} on {given['resource']}."
            return Response(Finding(allowed=False, reason=reason).to_json())
        if "agent" not in given:
            return Response(explain.explain(user, kind, target, level).to_json())
        found = explain.effective(user=user, agent=given["agent"], kind=kind, target=target, level=level)
        refused = [finding for finding in found.values() if not finding.allowed]
        reason = " ".join(finding.reason for finding in refused or found.values())
        answer = Finding(allowed=not refused, reason=reason, via=found["user"].via).to_json()
        return Response({**answer, "effective": {who: one.to_json() for who, one in found.items()}})


class LevelGrantInput(serializers.Serializer[None]):
    """Who is to hold a level on a resource."""

    subject = serializers.CharField(max_length=160, help_text="A username, agent:NAME or group:NAME.")
    resource = serializers.CharField(max_length=140)
    level = serializers.ChoiceField(LEVELS)
    remove = serializers.BooleanField(required=False, default=False)


class GrantLevelView(APIView):
    """Give a level on one object, or take it away; who holds ADMIN on the object may."""

    required_permission = ""

    @extend_schema(request=LevelGrantInput, responses={200: LevelGrantInput})
    def post(self, request: Request) -> Response:
        """Change who holds the level."""
        data = LevelGrantInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data
        try:
            kind, target = explain.find_resource(given["resource"])
        except NotFound as error:  # who may not know what there is learns nothing
            raise PermissionMissing from error
        if not may_grant(request.user, kind, target):
            raise PermissionMissing
        to = _grantee(given["subject"])

        def change() -> tuple[int, Any]:
            grant_level(
                to=to,
                kind=kind,
                target=target,
                level=Level(given["level"]),
                remove=given["remove"],
                by=request.user,
                now=timezone.now(),
            )
            return 200, dict(given)

        status, body = once(request, change)
        return Response(body, status=status)


def _grantee(subject: str) -> User | Group:
    if not subject.startswith(GROUP):
        return explain.find_subject(subject)
    group = Group.objects.filter(name=subject.removeprefix(GROUP)).first()
    if group is None:
        raise _unknown("/subject", f"There is no group '{subject.removeprefix(GROUP)}'.")
    return group


def _unknown(at: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[{"at": at, "message": message}])
