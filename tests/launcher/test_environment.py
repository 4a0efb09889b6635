from __future__ import annotations

from launcher.environment import as_owner, merge, variables
from launcher.project import Project


def _environment(project: Project, base: dict[str, str]) -> dict[str, str]:
    ours = variables(
        settings="config.settings.local",
        database_url="postgresql://cs_app@db/x",
        owner_url="postgresql://cs_owner@db/x",
        redis_url="redis://r/0",
        secret_key="k" * 64,
        port=8000,
        state=project.state,
    )
    return merge(project, base, ours)


class TestEnvironment:
    def test_puts_our_programs_first_and_keeps_the_users_variables(self, project: Project) -> None:
        env = _environment(project, {"PATH": "/bin", "LANG": "de_DE.UTF-8", "OPENAI_API_KEY": "sk-own"})
        assert env["PATH"] == f"{project.venv}/bin:/bin"
        assert (env["LANG"], env["OPENAI_API_KEY"]) == ("de_DE.UTF-8", "sk-own")
        assert (env["PORT"], env["SECRET_KEY"]) == ("8000", "k" * 64)

    def test_drops_what_would_lead_to_other_packages_or_databases(self, project: Project) -> None:
        env = _environment(
            project, {"PYTHONPATH": "/x", "PGOPTIONS": "-c search_path=x", "PGSERVICE": "prod"}
        )
        assert not {"PYTHONPATH", "PGOPTIONS", "PGSERVICE"} & set(env)

    def test_keeps_a_proxy_away_from_our_own_services(self, project: Project) -> None:
        env = _environment(project, {"HTTP_PROXY": "http://proxy:3128", "no_proxy": "internal,localhost"})
        assert env["NO_PROXY"] == env["no_proxy"] == "internal,localhost,127.0.0.1"

    def test_gives_the_owner_only_to_those_who_change_tables(self, project: Project) -> None:
        env = _environment(project, {})
        assert env["DATABASE_URL"] == "postgresql://cs_app@db/x"
        assert as_owner(env)["DATABASE_URL"] == "postgresql://cs_owner@db/x"
