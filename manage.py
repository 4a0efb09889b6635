#!/usr/bin/env python3
"""Django's command line. Framework commands work on the platform schema; ours name their tenant."""

import os
import sys

FRAMEWORK_COMMANDS = {
    "check",
    "collectstatic",
    "makemigrations",
    "migrate_schemas",
    "showmigrations",
    "spectacular",
}

OWNER_COMMANDS = {"install", "seed_demo", "tenants"}
"""Commands that change schemas, and so run as the role that owns them."""


def main() -> None:
    """Run one management command; only schema-level framework commands get a context by default."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    if len(sys.argv) > 1 and sys.argv[1] in OWNER_COMMANDS and os.environ.get("DATABASE_OWNER_URL"):
        os.environ["DATABASE_URL"] = os.environ["DATABASE_OWNER_URL"]
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        django.setup()
    except ImproperlyConfigured as error:
        sys.exit(f"manage.py: {error}")
    from tenants.kernel.context import platform_context

    if len(sys.argv) > 1 and sys.argv[1] in FRAMEWORK_COMMANDS:
        with platform_context():
            execute_from_command_line(sys.argv)
    else:
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
