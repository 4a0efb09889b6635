"""Rita adds a passkey, signs in with it, approves a critical call with it, and removes it again."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

pytestmark = [pytest.mark.journey, pytest.mark.browser]
SignIn = Callable[..., Page]
VOTES = """
SELECT v.assurance FROM hitl_vote v JOIN governance_user u ON u.id = v.reviewer_id
WHERE u.username = 'rita' AND v.review_id = %s
"""


def authenticator(page: Page) -> CDPSession:
    """Give the browser a virtual authenticator, of which its person is always in control."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return cdp


@pytest.fixture
def critical(stack: Any) -> str:
    """Return a review that waits for a critical call of Alice's."""
    with stack.client("acme", "alice") as alice:
        agent = alice.get("/api/v1/agents").json()["results"][0]["id"]
        query = {"query": "Please refund 1900 for order A-1004, it arrived broken"}
        run = alice.post(f"/api/v1/agents/{agent}/execute", json={"input": query, "wait_s": 20}).json()
        review = str(run["waiting_on"]["review"])
        assert alice.get(f"/api/v1/hitl/queue/{review}").json()["risk"] == "critical"
        return review


class TestPasskey:
    def test_is_added_used_to_sign_in_and_to_approve_and_removed(
        self, stack: Any, sign_in: SignIn, critical: str
    ) -> None:
        page = sign_in("rita", at="/account/passkeys/add/")
        authenticator(page)
        page.fill("#id_password", "demo")  # once more, before anything changes
        page.get_by_role("button", name="Confirm").click()
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator(".codes li")).to_have_count(10)
        page.get_by_role("link", name="I have kept them").click()
        expect(page.get_by_role("heading", name="Passkeys and security keys")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()

        page.fill("input[name=username]", "rita")
        page.fill("input[name=password]", "demo")
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", name="One more step")).to_be_visible()
        page.goto(f"{stack.url('acme')}/reviews/")
        expect(page.locator("input[name=password]")).to_be_visible()  # not in yet
        page.fill("input[name=username]", "rita")
        page.fill("input[name=password]", "demo")
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("button", name="Use your passkey").click()
        page.wait_for_url(re.compile("/reviews/$"))

        page.goto(f"{stack.url('acme')}/reviews/{critical}/")
        assert page.locator("#approve-password").count() == 0
        before = page.context.cookies()
        page.locator("form.approve").get_by_role("button", name="your passkey").click()
        expect(page.locator("form.approve [data-passkey-said]")).to_contain_text("Confirmed")
        page.locator("#approve").click()
        deadline = time.monotonic() + 10
        while stack.rows("acme", VOTES, critical) != [("passkey",)]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        key = {one["name"]: one["value"] for one in before}["sessionid"]
        assert {one["name"]: one["value"] for one in page.context.cookies()}["sessionid"] != key

        page.goto(f"{stack.url('acme')}/account/")
        page.get_by_role("link", name="Remove…").click()
        page.get_by_role("button", name="Remove").click()
        expect(page.get_by_role("link", name="Add a passkey…")).to_be_visible()
        assert stack.rows("acme", "SELECT count(*) FROM mfa_authenticator") == [(0,)]
