"""Read the environment once, typed; a missing or malformed variable is one clear error."""

from functools import cache
from typing import Annotated

from django.core.exceptions import ImproperlyConfigured
from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Env(BaseSettings):
    """Variables that a deployment sets. Names are the upper-case field names."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    secret_key: SecretStr
    database_url: str
    redis_url: str
    platform_host: str = "localhost"
    allowed_hosts: Annotated[list[str], NoDecode] = []
    audit_signing_key: SecretStr | None = None
    openai_api_key: SecretStr = SecretStr("")
    openai_base_url: str = "https://api.openai.com/v1"
    openai_model: str = "gpt-4.1-mini"
    model_timeout_s: float = 60.0
    log_level: str = "INFO"

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def split_commas(cls, value: object) -> object:
        """Accept a comma-separated list, as shells and container files write it."""
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )


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
