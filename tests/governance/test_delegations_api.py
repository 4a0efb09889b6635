"""People say over the API which clients may act for them, and take it back."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from governance.audit.models import AuditEvent
from governance.identity.models import DelegationGrant, TokenClient
from tests.governance.tokens import ORDERS, consents, make_client

URL = "/api/v1/identity/delegations"


def given(bot: Any, **more: Any) -> dict[str, Any]:
    expires = (timezone.now() + timedelta(days=1)).isoformat()
    return {
        "client": str(bot.row.pk),
        "audience": ORDERS,
        "scopes": ["orders:read"],
        "expires_at": expires,
        **more,
    }


@pytest.fixture(autouse=True)
def fresh(acme: Any) -> None:
    """Begin without the client and the consent of the demo."""
    DelegationGrant.objects.all().delete()
    TokenClient.objects.all().delete()


class TestDelegation:
    def test_is_of_the_person_who_asks(self, client_of: Any, oscar: Any, alice: Any) -> None:
        client = make_client("Order bot")
        response = client_of(oscar).post(URL, given(client, user=alice.pk), format="json")
        assert response.status_code == 201, response.json()
        assert DelegationGrant.objects.get().user == oscar
        assert [row["client_name"] for row in client_of(oscar).get(URL).json()["results"]] == ["Order bot"]
        assert client_of(alice).get(URL).json()["results"] == []
        assert client_of(alice).get(f"{URL}/{response.json()['id']}").status_code == 404

    @pytest.mark.parametrize(
        "more",
        [
            {"audience": "https://elsewhere.example"},
            {"scopes": "orders:read"},
            {"client": "x"},
            {"expires_at": "x"},
        ],
        ids=str,
    )
    def test_that_cannot_be_is_refused_and_named(
        self, client_of: Any, oscar: Any, more: dict[str, Any]
    ) -> None:
        response = client_of(oscar).post(URL, given(make_client("Order bot"), **more), format="json")
        assert response.status_code == 422
        assert response.json()["errors"][0]["at"].startswith(f"/{next(iter(more))}")

    def test_is_withdrawn_once(self, client_of: Any, oscar: Any) -> None:
        grant = consents(oscar, make_client("Order bot"))
        first = client_of(oscar).post(f"{URL}/{grant.pk}/withdraw")
        assert (first.status_code, first.json()["revoked_at"] is None) == (200, False)
        assert client_of(oscar).post(f"{URL}/{grant.pk}/withdraw").status_code == 409
        assert AuditEvent.objects.filter(action="delegation.withdrawn", actor_name="oscar").count() == 1
