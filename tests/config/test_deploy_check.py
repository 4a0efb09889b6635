"""The shipped production settings are safe, and an unsafe configuration does not start."""

import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": "not-a-real-key-but-long-and-varied-0123456789-ABCDEFGHIJ",
    "DATABASE_URL": "postgres://app:secret@127.0.0.1/countersign",
    "REDIS_URL": "redis://127.0.0.1/0",
    "AUDIT_SIGNING_KEY": "another-long-secret",
    "ENCRYPTION_KEY": b64encode(b"k" * 32).decode(),
    "PLATFORM_HOST": "agents.example.com",
}


def check(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py check` in a clean environment."""
    return subprocess.run(
        [sys.executable, "manage.py", "check", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **PRODUCTION, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


class TestProduction:
    def test_the_shipped_settings_pass_the_deployment_check_without_a_warning(self) -> None:
        done = check("--deploy", "--fail-level", "WARNING")
        assert (done.returncode, done.stdout.strip()) == (
            0,
            "System check identified no issues (0 silenced).",
        )

    @pytest.mark.parametrize(
        ("environment", "error"),
        [
            ({"AUDIT_SIGNING_KEY": ""}, "countersign.E011"),
            ({"ENCRYPTION_KEY": ""}, "countersign.E014"),
            ({"ALLOWED_HOSTS": "*"}, "countersign.E012"),
            ({"DJANGO_SETTINGS_MODULE": "config.settings.local"}, "countersign.E010"),
        ],
    )
    def test_an_unsafe_environment_is_refused(self, environment: dict[str, str], error: str) -> None:
        done = check("--deploy", **environment)
        assert done.returncode == 1
        assert error in done.stderr

    def test_a_missing_variable_is_one_line_that_names_it(self) -> None:
        done = check(DATABASE_URL="")
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1
        assert "DATABASE_URL" in done.stderr

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ENCRYPTION_KEY", "c2hvcnQ="),
            ("ENCRYPTION_KEY", "not base64 at all"),
            ("OUTBOUND_ALLOWED_CIDRS", "10.0.0.1/8"),
            ("OUTBOUND_ALLOWED_CIDRS", "127.0.0.0/8,everything"),
        ],
    )
    def test_a_malformed_variable_is_one_line_that_names_it(self, name: str, value: str) -> None:
        done = check(**{name: value})
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1
        assert name in done.stderr
        assert value not in done.stderr or name == "OUTBOUND_ALLOWED_CIDRS"


class TestTenantsAreKeptApart:
    @pytest.mark.parametrize(
        ("name", "value", "error"),
        [
            ("CACHES", {"default": {"BACKEND": "x"}}, "countersign.E002"),
            ("SESSION_COOKIE_DOMAIN", ".example.com", "countersign.E004"),
            ("SESSION_ENGINE", "django.contrib.sessions.backends.cache", "countersign.E005"),
            ("ANONYMOUS_USER_NAME", "anonymous", "countersign.E006"),
            ("MIDDLEWARE", ["django.contrib.sessions.middleware.SessionMiddleware"], "countersign.E003"),
        ],
    )
    def test_each_unsafe_setting_is_named(self, settings: Any, name: str, value: Any, error: str) -> None:
        from config.checks import tenants_are_kept_apart

        assert tenants_are_kept_apart() == []
        setattr(settings, name, value)
        assert [problem.id for problem in tenants_are_kept_apart()] == [error]
