"""Keys are published before they sign and until their last token has expired, and each tenant has its own."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import jwt
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from governance.audit.models import AuditEvent
from governance.identity import jose, keys, operations, verification
from governance.identity.issuing import issue
from governance.identity.models import IssuedToken, SigningKey, SpentToken
from governance.identity.types import Issued, Order, TokenRefused
from tenants.kernel.context import schema_tenant, tenant_context
from tenants.tenancy.urls import base_url
from tests.governance import tokens
from tests.governance.clones import own_database
from tests.governance.tokens import ORDERS, OTHER, Downstream, ask

ALL = "orders:read"


@pytest.fixture
def service(acme: Any) -> Iterator[tuple[Downstream, Callable[[], None]]]:
    """Serve the orders service; and a function that shows it the key set as it is now."""
    keys.ensure(now=timezone.now())
    shown: dict[str, Any] = {}

    def publish() -> None:
        shown["keys"] = keys.published(now=timezone.now())

    publish()
    with tokens.downstream(lambda: shown, issuer=base_url()) as server:
        yield server, publish


def order(user: Any, **more: Any) -> Order:
    given = {"sub": f"user:{user.pk}", "username": user.username, "client_id": "agent:x", "audience": ORDERS}
    return Order(**{**given, "scopes": frozenset({ALL}), "act": {"sub": "agent:x"}, **more})


def minted(user: Any, **more: Any) -> Issued:
    return issue(order(user, **more), now=timezone.now())


class TestDownstream:
    def test_lets_in_a_token_once(self, service: Any, oscar: Any) -> None:
        server, _ = service
        token = minted(oscar).token
        assert [ask(server, token), ask(server, token)] == [200, 401]
        assert server.refused == ["ValueError: it was used before"]
        (claims,) = server.accepted
        assert (claims["sub"], claims["act"]) == (f"user:{oscar.pk}", {"sub": "agent:x"})

    def test_refuses_what_is_not_for_it_or_not_ours(
        self, service: Any, oscar: Any, globex_tenant: Any
    ) -> None:
        server, _ = service
        good = minted(oscar).token
        claims = jwt.decode(good, options={"verify_signature": False})
        kid = jwt.get_unverified_header(good)["kid"]
        key = keys.private_key(kid)
        with tenant_context(globex_tenant):
            foreign = minted(oscar).token
            foreign_kid = keys.signer(now=timezone.now()).kid
        mallory = jose.new_key()
        wrong = {
            "audience": minted(oscar, audience=OTHER).token,
            "expired": jose.sign({**claims, "exp": claims["iat"] - 400, "iat": 1}, key=key, kid=kid),
            "nobody acts": minted(oscar, act=None).token,
            "scope": minted(oscar, scopes=frozenset()).token,
            "another tenant": foreign,
            "another tenant's kid": jose.sign(claims, key=mallory, kid=foreign_kid),
            "another key": jose.sign(claims, key=mallory, kid=kid),
            "another type": jose.sign(claims, key=key, kid=kid, typ="JWT"),
            "no signature": ".".join([*good.split(".")[:2], ""]),
            "hmac": jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"kid": kid, "typ": "at+jwt"}),
            "widened": widened(good),
        }
        assert {name: ask(server, token) for name, token in wrong.items()} == dict.fromkeys(wrong, 401)
        assert (server.accepted, len(server.refused)) == ([], len(wrong))
        assert ask(server, good) == 200


def widened(token: str) -> str:
    """Return the token with another scope written into it."""
    from base64 import urlsafe_b64decode, urlsafe_b64encode

    header, payload, signature = token.split(".")
    text = urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).replace(
        b"orders:read", b"orders:read orders:admin"
    )
    return f"{header}.{urlsafe_b64encode(text).decode().rstrip('=')}.{signature}"


class TestRotation:
    def test_goes_on_while_tokens_are_about(self, service: Any, oscar: Any) -> None:
        server, publish = service
        before = [minted(oscar).token for _ in range(2)]
        assert ask(server, before[0]) == 200
        ahead = keys.published(now=timezone.now())
        assert len(ahead) == 2  # the current and the next
        old = keys.signer(now=timezone.now()).kid
        keys.rotate(now=timezone.now())
        new = keys.signer(now=timezone.now()).kid
        after = minted(oscar).token
        assert jwt.get_unverified_header(after)["kid"] == new != old
        assert new in {key["kid"] for key in ahead}
        assert ask(server, after) == 200  # with a key set from before the rotation
        publish()
        assert ask(server, before[1]) == 200
        assert {old, new} < {key["kid"] for key in keys.published(now=timezone.now())}

    def test_leaves_a_retired_key_until_its_last_token_has_expired(self, acme: Any) -> None:
        begin = timezone.now()
        old = keys.ensure(now=begin).kid
        keys.rotate(now=begin)

        def kids(after: timedelta) -> set[str]:
            return {key["kid"] for key in keys.published(now=begin + after)}

        assert old in kids(timedelta(seconds=361))
        assert old not in kids(timedelta(seconds=421))

    def test_of_a_compromised_key_ends_its_tokens(self, acme: Any, oscar: Any) -> None:
        token = minted(oscar, audience=base_url(), for_us=True).token
        assert verification.own(token, now=timezone.now()).user == oscar
        keys.rotate(now=timezone.now(), compromised=True)
        assert len(keys.published(now=timezone.now())) == 2
        with pytest.raises(TokenRefused):
            verification.own(token, now=timezone.now())

    def test_is_on_record_without_the_key(self, acme: Any, alice: Any) -> None:
        keys.rotate(now=timezone.now(), by=alice)
        event = AuditEvent.objects.filter(action="keys.rotated").latest("id")
        assert event.actor_name == "alice"
        current = SigningKey.objects.get(status="current")
        assert event.body["current"] == current.kid
        assert "PRIVATE" not in str(event.body)
        assert b"PRIVATE" not in bytes(current.ciphertext)

    def test_by_command_is_of_one_tenant(self, acme: Any, globex_tenant: Any) -> None:
        keys.ensure(now=timezone.now())
        with tenant_context(globex_tenant):
            foreign = keys.ensure(now=timezone.now()).kid
        before = keys.signer(now=timezone.now()).kid
        out = StringIO()
        call_command("keys", "rotate", "--tenant", "acme", stdout=out)
        assert keys.signer(now=timezone.now()).kid != before
        assert f"retired  {before}" in out.getvalue()
        with tenant_context(globex_tenant):
            assert keys.signer(now=timezone.now()).kid == foreign
        with pytest.raises(CommandError, match="No tenant nowhere"):
            call_command("keys", "rotate", "--tenant", "nowhere")


class TestKeySet:
    def test_shows_public_halves_and_may_be_cached(self, acme: Any) -> None:
        keys.ensure(now=timezone.now())
        response = Browser(headers={"host": "acme.localhost"}).get("/.well-known/jwks.json")
        assert response["Cache-Control"] == "public, max-age=300"
        for key in response.json()["keys"]:
            assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
            assert jose.thumbprint(key) == key["kid"]

    def test_is_not_filled_by_reading_it(self, acme: Any) -> None:
        SigningKey.objects.all().delete()
        assert Browser(headers={"host": "acme.localhost"}).get("/.well-known/jwks.json").json() == {
            "keys": []
        }
        assert not SigningKey.objects.exists()

    def test_of_two_tenants_has_nothing_in_common(self, acme: Any, globex_tenant: Any) -> None:
        keys.ensure(now=timezone.now())
        own = {key["kid"] for key in keys.published(now=timezone.now())}
        with tenant_context(globex_tenant):
            keys.ensure(now=timezone.now())
            assert own.isdisjoint({key["kid"] for key in keys.published(now=timezone.now())})


class TestForgetting:
    def test_drops_what_nobody_accepts_any_more(self, acme: Any, oscar: Any) -> None:
        minted(oscar)
        SpentToken.objects.create(digest="0" * 64, expires_at=timezone.now())
        operations.forget(now=timezone.now() + timedelta(seconds=350))
        assert IssuedToken.objects.count() == 1
        operations.forget(now=timezone.now() + timedelta(seconds=361))
        assert (IssuedToken.objects.count(), SpentToken.objects.count()) == (0, 0)


class TestManyAtOnce:
    @pytest.fixture
    def own(self, django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
        with own_database(django_db_blocker):
            yield

    def at_once(self, work: Callable[[], Any], *, times: int) -> list[Any]:
        """Return what each of several threads got or raised."""
        barrier, results = threading.Barrier(times), []

        def run() -> None:
            try:
                with tenant_context(schema_tenant("acme")):
                    barrier.wait(10)
                    results.append(work())
            except TokenRefused as refusal:
                results.append(refusal)
            finally:
                connection.close()

        threads = [threading.Thread(target=run) for _ in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def test_use_a_token_once(self, own: None) -> None:
        claims = {"iss": "x", "jti": "1", "exp": timezone.now().timestamp() + 60}

        def spend() -> str:
            verification.spend(claims)
            return "won"

        results = self.at_once(spend, times=8)
        assert [result for result in results if result == "won"] == ["won"]
        assert len(results) == 8

    def test_make_one_first_key(self, own: None) -> None:
        kids = self.at_once(lambda: keys.ensure(now=timezone.now()).kid, times=8)
        assert len(set(kids)) == 1
        with tenant_context(schema_tenant("acme")):
            assert sorted(SigningKey.objects.values_list("status", flat=True)) == ["current", "next"]
