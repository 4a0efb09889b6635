"""Levels of rights, and the kinds of objects that have them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from django.db import models

from governance.access.permissions import implying
from tenants.kernel.jsonvalues import JsonObject
from tenants.kernel.registry import Registry


class Level(StrEnum):
    """What one may do with an object. ADMIN is all of it, and giving it to others."""

    READ = "READ"
    WRITE = "WRITE"
    EXECUTE = "EXECUTE"
    ADMIN = "ADMIN"


VERBS = {Level.READ: "view", Level.WRITE: "change", Level.EXECUTE: "execute", Level.ADMIN: "admin"}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of object with levels: its model has the permissions view_x, change_x, execute_x and admin_x.

    Objects are named by their `name` and have a `security_level`.
    """

    model: type[models.Model]
    closed: Callable[[Any], str]
    """Return why nobody may use the object now, empty if nothing keeps anybody from it."""

    def codename(self, level: Level) -> str:
        """Return the permission of a level."""
        return f"{VERBS[level]}_{self.model._meta.model_name}"

    def codenames(self, level: Level) -> list[str]:
        """Return the permissions that give a level."""
        return implying(self.codename(level))

    def permission(self, level: Level) -> str:
        """Return the permission of a level as `app.codename`."""
        return f"{self.model._meta.app_label}.{self.codename(level)}"


KINDS: Registry[Kind] = Registry("kind of resource", {}, group="countersign.kinds")
"""Fill it in an app's `ready()`: KINDS.add("tool", "agents.tools.levels:TOOL")."""


@dataclass(frozen=True, kw_only=True)
class Via:
    """One way in which somebody holds a right: `by` is role, group, own, object, object-group or superuser."""

    by: str
    name: str = ""
    permission: str = ""
    inherited_from: str = ""

    def words(self) -> str:
        """Return it in words."""
        match self.by:
            case "superuser":
                return "as a superuser"
            case "role" if self.inherited_from:
                return f"by the role {self.name}, which has it from {self.inherited_from}"
            case "role":
                return f"by the role {self.name}"
            case "group":
                return f"by the group {self.name}"
            case "object":
                return "by a right on this very object"
            case "object-group":
                return f"by a right of {self.name} on this very object"
            case _:
                return "by a permission of their own"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Whether something is allowed, why, and by which ways."""

    allowed: bool
    reason: str
    via: tuple[Via, ...] = ()

    def to_json(self) -> JsonObject:
        """Return it as the API says it."""
        return {
            "allowed": self.allowed,
            "reason": self.reason,
            "via": [{key: value for key, value in asdict(way).items() if value} for way in self.via],
        }
