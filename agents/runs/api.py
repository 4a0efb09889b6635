"""Runs over HTTP."""

from collections.abc import Callable
from functools import cached_property
from typing import Any
from uuid import UUID

import django_filters
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.catalog.models import Agent
from agents.runs import escalations, influence, operations
from agents.runs.models import Run, Step
from governance.access.idempotency import once
from governance.access.rights.holding import GrantedByLevel
from governance.metering.types import MILLION
from governance.types import Risk
from hitl.reviews.api import ReviewSerializer
from tenants.kernel import live
from tenants.kernel.api import CursorPage

MAX_WAIT_S = 60
TAINT = {
    "type": "object",
    "properties": {
        "integrity": {"type": "string", "enum": ["trusted", "untrusted"]},
        "sources": {"type": "array", "items": {"type": "string"}},
    },
}


class StepSerializer(serializers.ModelSerializer[Step]):
    """A step: what it was to do and what it led to."""

    review = serializers.UUIDField(source="review_id", allow_null=True)

    class Meta:
        model = Step
        fields = [
            "id", "number", "kind", "name", "status", "attempts", "call_id", "request", "result", "review",
            "input_tokens", "output_tokens", "created_at", "finished_at",
        ]  # fmt: skip


class RunSerializer(serializers.ModelSerializer[Run]):
    """A run."""

    agent = serializers.UUIDField(source="agent_id")
    requester = serializers.CharField(source="requester.username")
    on_behalf_of = serializers.CharField(source="delegator.username", default=None)
    waiting_on = serializers.SerializerMethodField()
    usage = serializers.SerializerMethodField()
    taint = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = [
            "id", "agent", "requester", "on_behalf_of", "session_id", "status", "input", "output",
            "waiting_on", "usage", "taint", "trace_id", "error", "pause_reason", "pause_requested",
            "wake_at", "waits_for", "recoveries", "created_at", "finished_at",
        ]  # fmt: skip

    def get_waiting_on(self, run: Run) -> dict[str, str] | None:
        """Return the review that the run waits for."""
        if run.status != Run.Status.WAITING:
            return None
        step = run.steps.last()
        return {"kind": "review", "review": str(step.review_id), "tool": step.name} if step else None

    def get_usage(self, run: Run) -> dict[str, Any]:
        """Return tokens and dollars; `cost_usd` is null while no price is known."""
        cost = None if run.cost_micros is None else run.cost_micros / MILLION
        return {"input_tokens": run.input_tokens, "output_tokens": run.output_tokens, "cost_usd": cost}

    @extend_schema_field(TAINT)
    def get_taint(self, run: Run) -> dict[str, Any]:
        """Return whether the run has read what outsiders may have written, and from which tools."""
        sources = self._influence[run.pk]
        return {"integrity": "untrusted" if sources else "trusted", "sources": list(sources)}

    @cached_property
    def _influence(self) -> dict[UUID, tuple[str, ...]]:
        shown: Any = self.parent.instance if self.parent is not None else [self.instance]
        return influence.of_each(list(shown))


class ExecuteInput(serializers.Serializer[None]):
    """A request to an agent."""

    input = serializers.DictField()
    session_id = serializers.CharField(max_length=64, required=False, allow_blank=True)
    on_behalf_of = serializers.CharField(
        max_length=150,
        required=False,
        allow_blank=True,
        help_text="Username of the person you ask for. It adds no right, and they may not approve either.",
    )
    wait_s = serializers.FloatField(min_value=0, max_value=MAX_WAIT_S, required=False, default=0)


class PauseInput(serializers.Serializer[None]):
    """Why a run is paused."""

    reason = serializers.CharField(max_length=150, required=False, allow_blank=True, default="")


class ExecuteView(APIView):
    """Start a run of an agent."""

    required_permission = "agents.view_agent"
    permission_classes = [GrantedByLevel]
    levels_of = Agent
    or_levels = ("execute_agent",)

    @extend_schema(request=ExecuteInput, responses={200: RunSerializer, 202: RunSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Queue a run; 202, or 200 if it ended or waits for a person within `wait_s` seconds."""
        data = ExecuteInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data
        agent = get_object_or_404(Agent, pk=pk)

        def begin() -> tuple[int, Any]:
            run = operations.start(
                agent=agent,
                user=request.user,
                input=given["input"],
                session_id=given.get("session_id", ""),
                on_behalf_of=given.get("on_behalf_of", ""),
                trace_id=getattr(request._request, "trace_id", ""),
                now=timezone.now(),
            )
            return 202, str(run.pk)

        _, run_id = once(request, begin)
        settled = wait_until_settled(run_id, timeout_s=given["wait_s"])
        run = Run.objects.select_related("requester", "delegator").get(pk=run_id)
        return Response(RunSerializer(run).data, status=200 if settled else 202)


class EscalateInput(serializers.Serializer[None]):
    """What a person should look at."""

    run = serializers.PrimaryKeyRelatedField(
        queryset=Run.objects.select_related("requester", "agent"),
        required=False,
        allow_null=True,
        default=None,
        help_text="None for a matter of no run.",
    )
    subject = serializers.CharField(max_length=500)
    details = serializers.CharField(max_length=20_000, required=False, allow_blank=True, default="")
    priority = serializers.ChoiceField([risk.value for risk in Risk], default=Risk.MEDIUM.value)


class EscalateView(APIView):
    """Put something before a person."""

    required_permission = "agents.view_run"

    @extend_schema(request=EscalateInput, responses={201: ReviewSerializer})
    def post(self, request: Request) -> Response:
        """Open an escalation; no run stops for it. 403 for others' runs without `agents.escalate_run`."""
        data = EscalateInput(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data

        def ask() -> tuple[int, Any]:
            review = escalations.escalate(
                by=request.user,
                run=given["run"],
                subject=given["subject"],
                details=given["details"],
                priority=Risk(given["priority"]),
                now=timezone.now(),
            )
            return 201, ReviewSerializer(review, context={"request": request}).data

        status, body = once(request, ask)
        return Response(body, status=status)


def wait_until_settled(run_id: str, *, timeout_s: float) -> bool:
    """Wait until the run has ended or waits for a person; return whether it does. Holds no connection."""

    def settled() -> bool:
        status = Run.objects.values_list("status", flat=True).get(pk=run_id)
        connection.close()
        return status in Run.ENDED or status in {Run.Status.WAITING, Run.Status.PAUSED}

    if timeout_s <= 0:
        return False
    return live.wait_until("runs", run_id, ready=settled, timeout_s=timeout_s)


class RunFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    """Questions about runs."""

    agent = django_filters.UUIDFilter(field_name="agent_id")
    requester = django_filters.CharFilter(field_name="requester__username")
    session_id = django_filters.CharFilter()

    class Meta:
        model = Run
        fields = ["status"]


class StepPage(CursorPage):
    """Steps in the order in which they were taken."""

    ordering = "number"


class RunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Run]):
    """Runs of this tenant, newest first."""

    required_permission: Any = {"GET": "agents.view_run", "POST": "agents.view_run"}
    queryset = Run.objects.select_related("requester", "delegator")
    serializer_class = RunSerializer
    filterset_class = RunFilter

    @extend_schema(responses=StepSerializer(many=True))
    @action(detail=True, pagination_class=StepPage, filter_backends=[])
    def steps(self, request: Request, pk: str) -> Response:
        """List the steps of a run, first to last."""
        steps: QuerySet[Step] = self.get_object().steps.all()
        page = self.paginate_queryset(steps)  # type: ignore[arg-type]
        return self.get_paginated_response(StepSerializer(page, many=True).data)  # type: ignore[arg-type]

    @extend_schema(request=None, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel a run before its next effect."""
        run = self.get_object()

        return self._changed(
            request, lambda: operations.cancel(run=run, user=request.user, now=timezone.now())
        )

    @extend_schema(request=PauseInput, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Stop a run before its next step until it is resumed."""
        run = self.get_object()
        given = PauseInput(data=request.data)
        given.is_valid(raise_exception=True)
        reason = given.validated_data["reason"]
        return self._changed(
            request,
            lambda: operations.pause(run=run, user=request.user, reason=reason, now=timezone.now()),
        )

    @extend_schema(request=None, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Let a paused run go on from its last step."""
        run = self.get_object()
        return self._changed(
            request, lambda: operations.resume(run=run, user=request.user, now=timezone.now())
        )

    def _changed(self, request: Request, change: Callable[[], Run]) -> Response:
        status, body = once(request, lambda: (200, RunSerializer(change()).data))
        return Response(body, status=status)
