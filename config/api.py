"""API v1 of a tenant, and the part of it that the platform host has too."""

from typing import Any

from csp.decorators import csp_update
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from agents.api import (
    AgentViewSet,
    CircuitViewSet,
    EscalateView,
    ExecuteView,
    KillSwitchViewSet,
    RunViewSet,
    SessionViewSet,
    ToolSecretViewSet,
    ToolServerViewSet,
    ToolViewSet,
)
from governance.api import (
    ApiKeyViewSet,
    AssignRoleView,
    AuditEventViewSet,
    BudgetViewSet,
    CheckPermissionView,
    CheckpointViewSet,
    DelegationViewSet,
    GrantLevelView,
    GuardrailBindingViewSet,
    GuardrailFindingViewSet,
    LoginView,
    LogoutView,
    PolicyDefaultView,
    PolicyViewSet,
    RedactedValueViewSet,
    RiskProfileView,
    RiskThresholdViewSet,
    RoleViewSet,
    TenantViewSet,
    TierViewSet,
    TrustedSourceViewSet,
    UsageCsvView,
    UsageView,
)
from hitl.api import (
    AnalyticsView,
    AssignView,
    AvailabilityView,
    BatchView,
    ClaimView,
    EndpointViewSet,
    EscalationPolicyViewSet,
    GrantViewSet,
    NotificationViewSet,
    ReleaseView,
    ReviewPlanViewSet,
    ReviewQueueViewSet,
    ReviewTierViewSet,
    ReviewViewSet,
    ScheduleViewSet,
    ServiceLevelViewSet,
    SubstitutionViewSet,
)
from tenants.api import FlagsView

evidence = SimpleRouter(trailing_slash=False)
evidence.register("governance/audit/checkpoints", CheckpointViewSet, basename="audit-checkpoint")
evidence.register("governance/audit", AuditEventViewSet, basename="audit-event")

work = SimpleRouter(trailing_slash=False)
work.register("agents", AgentViewSet)
work.register("runs", RunViewSet)
work.register("sessions", SessionViewSet, basename="session")
work.register("tools/servers", ToolServerViewSet)
work.register("tools/secrets", ToolSecretViewSet)
work.register("tools", ToolViewSet)
work.register("circuits", CircuitViewSet)
work.register("kill-switches", KillSwitchViewSet, basename="kill-switch")
work.register("hitl/queue", ReviewViewSet, basename="review")
work.register("hitl/grants", GrantViewSet, basename="grant")
work.register("hitl/queues", ReviewQueueViewSet)
work.register("hitl/schedules", ScheduleViewSet)
work.register("hitl/substitutions", SubstitutionViewSet)
work.register("hitl/escalation-policies", EscalationPolicyViewSet, basename="escalationpolicy")
work.register("hitl/service-levels", ServiceLevelViewSet, basename="servicelevel")
work.register("hitl/notifications", NotificationViewSet, basename="notification")
work.register("hitl/endpoints", EndpointViewSet)
work.register("hitl/plans", ReviewPlanViewSet)
work.register("hitl/tiers", ReviewTierViewSet)
work.register("governance/thresholds", RiskThresholdViewSet)
work.register("governance/roles", RoleViewSet)
work.register("auth/keys", ApiKeyViewSet)
work.register("governance/guardrails", GuardrailBindingViewSet)
work.register("governance/findings", GuardrailFindingViewSet)
work.register("governance/redacted", RedactedValueViewSet)
work.register("governance/policies", PolicyViewSet)
work.register("governance/trusted-sources", TrustedSourceViewSet)
work.register("identity/delegations", DelegationViewSet, basename="delegation")
work.register("governance/budgets", BudgetViewSet)

# Swagger UI writes inline styles.
docs = csp_update({"style-src": "'unsafe-inline'"})(
    SpectacularSwaggerSplitView.as_view(url_name="api-schema")
)

platform = SimpleRouter(trailing_slash=False)
platform.register("tenants", TenantViewSet, basename="tenant")
platform.register("tiers", TierViewSet, basename="tier")

shared_urls: list[Any] = [
    path("auth/login", LoginView.as_view(), name="api-login"),
    path("auth/logout", LogoutView.as_view(), name="api-logout"),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", docs, name="api-docs"),
    path("flags", FlagsView.as_view(), name="flags"),
    path("", include(evidence.urls)),
]
platform_urls: list[Any] = [*shared_urls, path("", include(platform.urls))]
tenant_urls: list[Any] = [
    *shared_urls,
    path("agents/<uuid:pk>/execute", ExecuteView.as_view(), name="agent-execute"),
    path("hitl/escalate", EscalateView.as_view(), name="escalate"),
    path("hitl/queue/<uuid:pk>/claim", ClaimView.as_view(), name="review-claim"),
    path("hitl/queue/<uuid:pk>/release", ReleaseView.as_view(), name="review-release"),
    path("hitl/queue/<uuid:pk>/assign", AssignView.as_view(), name="review-assign"),
    path("hitl/availability", AvailabilityView.as_view(), name="reviewer-availability"),
    path("hitl/queue/batch", BatchView.as_view(), name="review-batch-api"),
    path("hitl/analytics", AnalyticsView.as_view(), name="review-analytics-api"),
    path("governance/risk-profile", RiskProfileView.as_view(), name="risk-profile"),
    path("governance/roles/assign", AssignRoleView.as_view(), name="role-assign"),
    path("governance/permissions/check", CheckPermissionView.as_view(), name="permission-check"),
    path("governance/permissions/grant", GrantLevelView.as_view(), name="level-grant"),
    path("governance/policy-default", PolicyDefaultView.as_view(), name="policy-default"),
    path("governance/usage", UsageView.as_view(), name="usage-api"),
    path("governance/usage.csv", UsageCsvView.as_view(), name="usage-csv"),
    path("", include(work.urls)),
]
