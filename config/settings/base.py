"""Settings shared by every environment; the environment itself is read in config.env."""

from pathlib import Path
from typing import Any

import dj_database_url
from celery.schedules import crontab

from config import env as _env

ENV = _env.read()
BASE_DIR = Path(__file__).resolve().parents[2]

SECRET_KEY = ENV.secret_key.get_secret_value()
DEBUG = False
PLATFORM_HOST = ENV.platform_host
ALLOWED_HOSTS = ENV.allowed_hosts or [PLATFORM_HOST, f".{PLATFORM_HOST}"]
DEMO = False

# --- Apps: the public schema holds the platform, every tenant schema holds its own people and work.
_CONTRIB = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "config.apps.CountersignAdminConfig",
    "guardian",
    "auditlog",
    "knox",
    "config.apps.FlagsConfig",
    "axes",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.socialaccount.providers.saml",
]
_FACES = [
    "unfold.apps.BasicAppConfig",  # before django_tenants: both ship admin/app_list.html
    "unfold.contrib.guardian",  # before guardian, whose templates it replaces
    "django_tenants",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
]
SHARED_APPS = [*_FACES, "tenants", *_CONTRIB, "governance"]
TENANT_APPS = [*_CONTRIB, "governance", "hitl", "agents"]
INSTALLED_APPS = [*SHARED_APPS, "hitl", "agents"]

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
PUBLIC_SCHEMA_URLCONF = "config.urls_public"
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
PG_EXTRA_SEARCH_PATHS = ["extensions"]
SKIP_PG_EXTRA_VALIDATION = True  # validating queries the database while apps load, inside uvicorn's loop
TENANT_LIMIT_SET_CALLS = True  # one SET search_path per switch; see docs/decisions/0002

DATABASES: dict[str, Any] = {
    "default": {
        **dj_database_url.parse(ENV.database_url),
        "ENGINE": "tenants.kernel.postgresql",
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # a connection that a restart of the server cut is replaced, not handed out
        "OPTIONS": {
            "pool": {"min_size": 1, "max_size": 24, "timeout": 10},
            # Statements that are prepared (tenants.kernel.prepared) are planned once, not for each value.
            "options": (
                "-c idle_in_transaction_session_timeout=20000 -c lock_timeout=15000"
                " -c plan_cache_mode=force_generic_plan"
            ),
            "prepare_threshold": 1,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": ENV.redis_url,
        "KEY_FUNCTION": "tenants.kernel.context.cache_key",
        "KEY_PREFIX": "cs",
    },
    "flags": {  # nothing is kept: see tenants.flags.operations
        "BACKEND": "django.core.cache.backends.dummy.DummyCache",
        "KEY_FUNCTION": "tenants.kernel.context.cache_key",
    },
}
WAFFLE_CACHE_NAME = "flags"
WAFFLE_ENABLE_ADMIN_PAGES = False  # governance.admin registers its own
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": ENV.redis_url, "socket_timeout": None}], "prefix": "cs"},
    }
}

# --- Celery: a message is a doorbell; PostgreSQL holds the work.
CELERY_BROKER_URL = ENV.redis_url
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "global_keyprefix": "cs:",
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BEAT_SCHEDULE = {
    "seal-audit-logs": {"task": "governance.seal_audit_logs", "schedule": 2.0},
    "sweep-runs": {"task": "agents.sweep_runs", "schedule": 3.0},
    "expire-reviews": {"task": "hitl.expire_reviews", "schedule": 10.0},
    "recheck-reviews": {"task": "hitl.recheck_reviews", "schedule": 60.0},
    "tick": {"task": "tenants.tick", "schedule": 2.0},
    "watch-escalations": {"task": "hitl.watch_escalations", "schedule": 60.0},
    "forget-tokens": {"task": "governance.forget_tokens", "schedule": 300.0},
    "settle-reservations": {"task": "governance.settle_reservations", "schedule": 15.0},
    "check-coverage": {"task": "hitl.check_coverage", "schedule": crontab(hour=1, minute=30)},
}

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "tenants.middleware.TenantMiddleware",
    "csp.middleware.CSPMiddleware",
    "tenants.tiers.middleware.TierMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "governance.audit.configuration.ConfigurationAuditMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "governance.signin.middleware.EnrolmentMiddleware",
    "axes.middleware.AxesMiddleware",
    "governance.signin.middleware.LockMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ]
        },
    }
]

# --- People
AUTH_USER_MODEL = "governance.User"
AUTHENTICATION_BACKENDS = [
    "governance.signin.backends.LockOutBackend",  # first: who is locked out is not looked at
    "governance.access.backends.PeopleBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
SESSION_COOKIE_AGE = 8 * 3600  # from sign-in, however busy; governance.signin.receivers
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

# --- Signing in; see docs/signin.md
TRUSTED_PROXIES = ENV.trusted_proxies
REQUIRE_MFA_ROLES = ENV.require_mfa_roles
AXES_HANDLER = "governance.signin.lockout.LockOut"
AXES_CLIENT_IP_CALLABLE = "tenants.kernel.clients.address_of"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
ACCOUNT_ADAPTER = "governance.signin.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_FORMS = {"reset_password": "governance.signin.forms.ResetPasswordForm"}
ACCOUNT_RATE_LIMITS = {"reset_password": "10/h/ip,3/h/key", "reset_password_from_key": "20/m/ip"}
MFA_ADAPTER = "governance.signin.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Countersign"
MFA_RECOVERY_CODES_SHOW_ONCE = True
SOCIALACCOUNT_ADAPTER = "governance.signin.adapters.ProviderAdapter"
SOCIALACCOUNT_AUTO_SIGNUP = True
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True}}
HEADLESS_ENABLED = False

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "governance.access.keys.authentication.ApiKeyAuthentication",
        "governance.identity.authentication.DelegatedTokenAuthentication",
        "governance.access.authentication.PersonTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.kernel.api.DenyUnlessGranted"],
    "DEFAULT_THROTTLE_CLASSES": ["tenants.tiers.throttling.TenantThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "tenants.kernel.api.CursorPage",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "tenants.kernel.api.problem_response",
    "COERCE_DECIMAL_TO_STRING": False,
}
REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_MODEL": "knox.AuthToken",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Countersign API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "RunStatusEnum": "agents.runs.models.Run.Status",
        "DecisionEnum": "hitl.reviews.api.DECISIONS",
        "BatchDecisionEnum": ["approve", "reject"],
        "GrantScopeEnum": "hitl.grants.types.SCOPES",
        "ReviewStatusEnum": "hitl.reviews.models.Review.Status",
        "ReviewKindEnum": "hitl.reviews.models.Review.Kind",
        "RiskEnum": "agents.tools.api.RISKS",
        "RaisedRiskEnum": ["medium", "high", "critical"],
    },
}
UNFOLD = {
    "SITE_TITLE": "Countersign",
    "SITE_HEADER": "Countersign",
    "SITE_SUBHEADER": "No agent acts alone",
    "SITE_ICON": "/static/img/mark.svg",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/img/mark.svg"}],
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "STYLES": ["/static/css/admin.css"],
    "SIDEBAR": {"navigation": "config.navigation.sidebar"},
    "COLORS": {
        "primary": {  # the accent of static/css/base.css
            "50": "#f2f5fe",
            "100": "#e9effd",
            "200": "#cfdcfb",
            "300": "#a9c1ff",
            "400": "#86a8ff",
            "500": "#5a80e8",
            "600": "#2f5bd0",
            "700": "#2348aa",
            "800": "#1e3c8a",
            "900": "#1c346f",
            "950": "#132149",
        }
    },
}

# --- Agents
OPENAI_API_KEY = ENV.openai_api_key.get_secret_value()
OPENAI_BASE_URL = ENV.openai_base_url
OPENAI_MODEL = ENV.openai_model
MODEL_TIMEOUT_S = ENV.model_timeout_s
MODEL_MAX_ATTEMPTS = 3
RATE_LIMITS_FAIL_OPEN = ENV.rate_limits_fail_open
TENANT_MAX_RUNS = ENV.tenant_max_runs
RUN_LEASE_S = 20
RUN_HEARTBEAT_S = 5
RUN_MAX_STEPS = 100
RUN_MAX_RECOVERIES = 10
REVIEW_TTL_S = 3600
HANDOFF_TTL_S = 24 * 3600
OUTCOME_TTL_S = 7 * 24 * 3600
FLOW_ENFORCED = ENV.information_flow == "enforce"
AUDIT_SIGNING_KEY = ENV.audit_signing_key.get_secret_value() if ENV.audit_signing_key else ""

# --- Tools beyond this process
ENCRYPTION_KEY = ENV.encryption_key.get_secret_value() if ENV.encryption_key else ""
OUTBOUND_ALLOWED_CIDRS = ENV.outbound_allowed_cidrs

# --- Messages to people
TENANT_URL = ENV.tenant_url or "https://{host}"
EMAIL_BACKEND = ENV.email_backend or "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = ENV.email_host
EMAIL_PORT = ENV.email_port
EMAIL_HOST_USER = ENV.email_host_user
EMAIL_HOST_PASSWORD = ENV.email_host_password.get_secret_value()
EMAIL_USE_TLS = ENV.email_use_tls
EMAIL_USE_SSL = ENV.email_use_ssl
EMAIL_TIMEOUT = 20
EMAIL_FILE_PATH = ENV.email_file_path or None
DEFAULT_FROM_EMAIL = ENV.default_from_email or f"Countersign <countersign@{PLATFORM_HOST}>"
ANYMAIL = ENV.anymail

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(tenant)s] %(message)s"},
    },
    "filters": {"tenant": {"()": "config.logging.TenantFilter"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["tenant"]},
    },
    "root": {"handlers": ["stderr"], "level": ENV.log_level},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "httpcore2": {"level": "WARNING"},
        "apprise": {
            "level": "WARNING"
        },  # it and its client log whole URLs, tokens included, when told to say more
        "urllib3": {"level": "WARNING"},
        "mcp": {"level": "CRITICAL"},  # it logs what servers answer; errors reach the caller anyway
    },
}
