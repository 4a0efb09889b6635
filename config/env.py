"""Read the environment once, typed; a missing or malformed variable is one clear error."""

import re
from base64 import b64decode
from functools import cache
from typing import Annotated, Any, Literal

from django.core.exceptions import ImproperlyConfigured
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tenants.kernel.addresses import networks

KEY_BYTES = 32


class Env(BaseSettings):
    """Variables that a deployment sets. Names are the upper-case field names."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    secret_key: SecretStr
    database_url: str
    redis_url: str
    platform_host: str = "localhost"
    allowed_hosts: Annotated[list[str], NoDecode] = []
    audit_signing_key: SecretStr | None = None
    encryption_key: SecretStr | None = None
    outbound_allowed_cidrs: Annotated[list[str], NoDecode] = []
    openai_api_key: SecretStr = SecretStr("")
    openai_base_url: str = "https://api.openai.com/v1"
    openai_model: str = "gpt-4.1-mini"
    model_timeout_s: float = 60.0
    rate_limits_fail_open: bool = False
    tenant_max_runs: int = Field(default=0, ge=0)
    information_flow: Literal["enforce", "off"] = "enforce"
    tenant_url: str = ""
    email_backend: str = ""
    email_host: str = "localhost"
    email_port: int = Field(default=25, ge=1, le=65535)
    email_host_user: str = ""
    email_host_password: SecretStr = SecretStr("")
    email_use_tls: bool = False
    email_use_ssl: bool = False
    email_file_path: str = ""
    default_from_email: str = ""
    anymail: dict[str, Any] = Field(default={}, repr=False)
    trusted_proxies: int = Field(default=0, ge=0)
    require_mfa_roles: Annotated[list[str], NoDecode] = []
    log_level: str = "INFO"

    @field_validator("allowed_hosts", "outbound_allowed_cidrs", "require_mfa_roles", mode="before")
    @classmethod
    def split_commas(cls, value: object) -> object:
        """Accept a comma-separated list, as shells and container files write it."""
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("outbound_allowed_cidrs")
    @classmethod
    def check_networks(cls, value: list[str]) -> list[str]:
        """Refuse what is no network; a typo must not open more than was meant."""
        networks(value)
        return value

    @field_validator("tenant_url")
    @classmethod
    def check_tenant_url(cls, value: str) -> str:
        """Refuse an address that is not the tenant's own: links in messages begin with it."""
        if value and not re.fullmatch(r"https?://\{host\}(:[0-9]+)?/?", value):
            raise ValueError("must be http:// or https://, then {host}, and a port if need be")
        return value

    @field_validator("encryption_key")
    @classmethod
    def check_key(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse a key of the wrong size."""
        if value is not None and len(b64decode(value.get_secret_value(), validate=True)) != KEY_BYTES:
            raise ValueError(f"must be {KEY_BYTES} random bytes in base64")
        return value


@cache
def read() -> Env:
    """Return the environment; raise ImproperlyConfigured naming every variable to set or mend."""
    try:
        return Env()
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise ImproperlyConfigured(
            f"Environment: {problems}. `./countersign run -- COMMAND` sets these for a local stack."
        ) from None
