"""Reviewers choose their keys, and whether there are any."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from governance.audit.models import AuditEvent
from hitl.desk import preferences, shortcuts
from tenants.kernel.errors import InvalidInput

PAGE = "/reviews/preferences/"


@pytest.fixture
def as_bob(bob: Any) -> Client:
    """Return Bob's browser."""
    client = Client(SERVER_NAME="acme.localhost")
    client.force_login(bob)
    return client


def form(**keys: str) -> dict[str, str]:
    return {f"key-{action}": keys.get(action, key) for action, key in shortcuts.USUAL.items()}


class TestKeys:
    def test_are_the_usual_ones_at_first(self, bob: Any) -> None:
        mine = preferences.of(bob)
        assert (shortcuts.keys(mine.shortcuts), mine.shortcuts_on, mine.goes_on) == (
            shortcuts.USUAL,
            True,
            True,
        )

    @pytest.mark.parametrize("key", ["", "aa", " ", "\n", "\u202e"])
    def test_are_one_visible_character(self, key: str) -> None:
        assert set(shortcuts.problems({"approve": key})) == {"approve"}

    def test_are_each_for_one_thing(self) -> None:
        assert set(shortcuts.problems({"approve": "r"})) == {"approve", "reject"}
        assert shortcuts.problems({"approve": "r", "reject": "a"}) == {}

    def test_that_cannot_be_used_change_nothing(self, bob: Any) -> None:
        with pytest.raises(InvalidInput):
            preferences.change(user=bob, keys={"approve": "r"}, goes_on=False, now=timezone.now())
        assert preferences.of(bob).goes_on


class TestPage:
    def test_saves_what_differs_and_audits_it(self, as_bob: Client, bob: Any) -> None:
        assert as_bob.post(PAGE, {**form(approve="y"), "goes_on": "on"}).status_code == 302
        mine = preferences.of(bob)
        assert (mine.shortcuts, mine.shortcuts_on, mine.goes_on) == ({"approve": "y"}, False, True)
        assert AuditEvent.objects.filter(action="preferences.changed", actor_name="bob").exists()

    def test_says_which_key_cannot_be_used_and_keeps_what_was_typed(self, as_bob: Client, bob: Any) -> None:
        page = as_bob.post(PAGE, form(approve="r"))
        assert page.status_code == 422
        assert "This key is taken" in page.content.decode()
        assert 'name="key-approve" value="r"' in page.content.decode()
        assert preferences.of(bob).shortcuts == {}

    def test_gives_the_usual_keys_back(self, as_bob: Client, bob: Any) -> None:
        as_bob.post(PAGE, form(approve="y"))
        as_bob.post(PAGE, {**form(approve="r"), "reset": "1", "shortcuts_on": "on"})
        assert preferences.of(bob).shortcuts == {}

    def test_takes_the_switch_of_the_help_dialog_alone(self, as_bob: Client, bob: Any) -> None:
        as_bob.post(PAGE, {**form(approve="y"), "shortcuts_on": "on", "goes_on": "on"})
        assert as_bob.post(PAGE, {"only": "switch"}).status_code == 204
        mine = preferences.of(bob)
        assert (mine.shortcuts, mine.shortcuts_on, mine.goes_on) == ({"approve": "y"}, False, True)

    def test_changes_nothing_on_get(self, as_bob: Client, bob: Any) -> None:
        assert as_bob.get(PAGE, {"only": "switch"}).status_code == 200
        assert preferences.of(bob).pk is not None
        assert not type(preferences.of(bob)).objects.filter(user=bob).exists()

    def test_is_for_those_who_see_reviews(self, charlie: Any) -> None:
        client = Client(SERVER_NAME="acme.localhost")
        client.force_login(charlie)
        assert client.get(PAGE).status_code == 403

    def test_tells_the_pages(self, as_bob: Client, review: Any) -> None:
        as_bob.post(PAGE, form(approve="y"))
        html = as_bob.get(f"/reviews/{review.pk}/").content.decode()
        assert "<kbd>y</kbd>" in html
        assert "&quot;y&quot;: &quot;a&quot;" in html
        assert "data-on>" not in html
