"""Demo and development: the only settings under which demo agents, people and passwords exist."""

from config.settings.base import *

DEMO = True
INSTALLED_APPS = [*INSTALLED_APPS, "agents.demo"]
TENANT_APPS = [*TENANT_APPS, "agents.demo"]
AUTH_PASSWORD_VALIDATORS = []
EMAIL_BACKEND = ENV.email_backend or "django.core.mail.backends.console.EmailBackend"
