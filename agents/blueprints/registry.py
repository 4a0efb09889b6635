"""The blueprints that exist."""

from typing import Any

from pydantic import ValidationError

from agents.blueprints.base import BaseAgent
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import storable
from tenants.kernel.registry import Registry

REGISTRY: Registry[type[BaseAgent]] = Registry(
    "blueprint",
    {"assistant": "agents.blueprints.assistant:AssistantAgent"},
    group="countersign.blueprints",
)


def describe() -> list[dict[str, Any]]:
    """Return name, description and default configuration of every blueprint."""
    blueprints = [REGISTRY.get(slug) for slug in REGISTRY]
    return [
        {"name": b.name, "description": b.description, "default_config": b.config_class().model_dump()}
        for b in blueprints
    ]


def validate_config(blueprint: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration if the blueprint accepts it; raise InvalidInput naming what to mend."""
    if storable(config) != config:
        message = "holds text or numbers that cannot be stored"
        raise InvalidInput(f"The configuration {message}.", errors=[{"at": "/config", "message": message}])
    try:
        REGISTRY.get(blueprint).config_class(**config)
    except ValidationError as error:
        raise InvalidInput(
            f"The configuration of '{blueprint}' is not valid.",
            errors=[
                {"at": "/config/" + "/".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()
            ],
        ) from error
    return config
