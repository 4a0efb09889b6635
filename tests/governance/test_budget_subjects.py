"""Whom a budget is for: people and agents are named by name and kept by id; nobody is refused."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from governance.metering import subjects
from governance.metering.models import Budget


def budget(scope: str, subject: str) -> Budget:
    made = Budget(name="One", scope=scope, subject=subject, window="day", limit=1)
    made.clean()
    return made


class TestSubject:
    def test_of_a_user_is_kept_by_id_and_told_by_name(self, oscar: Any) -> None:
        for given in ("oscar", str(oscar.pk)):
            assert budget("user", given).subject == str(oscar.pk)
        assert subjects.name_of("user", str(oscar.pk)) == "oscar"

    def test_of_an_agent_likewise(self, agent: Any) -> None:
        for given in (agent.name, str(agent.pk)):
            assert budget("agent", given).subject == str(agent.pk)
        assert subjects.name_of("agent", str(agent.pk)) == agent.name

    def test_of_a_team_is_its_name(self, acme: Any) -> None:
        assert budget("team", "reviewer").subject == "reviewer"

    @pytest.mark.parametrize("scope", ["user", "agent", "team"])
    @pytest.mark.parametrize("subject", ["nobody", "987654", "01890000-0000-7000-8000-000000000009", "²"])
    def test_that_is_nobody_is_refused(self, acme: Any, scope: str, subject: str) -> None:
        with pytest.raises(ValidationError, match="There is no"):
            budget(scope, subject)
        assert subjects.name_of(scope, subject) == subject

    def test_may_be_empty(self, acme: Any) -> None:
        assert budget("user", "").subject == ""
