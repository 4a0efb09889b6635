"""RFC 8693: a client gets a token for one audience, with which it acts for a person who lets it."""

import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client as Browser

from governance.audit.models import AuditEvent
from governance.identity import claims as rules
from governance.identity import keys, verification
from governance.identity.models import DelegationGrant, IssuedToken, TokenClient
from governance.identity.types import JWT, LIFETIME
from tenants.tenancy.urls import base_url
from tests.governance import tokens
from tests.governance.tokens import ORDERS, OTHER, Client, Signer, World, consents, make_client


@pytest.fixture
def world(acme: Any, settings: Any) -> Iterator[World]:
    """Return Acme with an identity provider that it trusts."""
    settings.OUTBOUND_ALLOWED_CIDRS = ["127.0.0.1/32"]
    with tokens.identity_provider() as (idp, target):
        tokens.trust(idp, target)
        yield World(idp=idp, http=Browser(headers={"host": "acme.localhost"}))


@pytest.fixture
def client(world: World, oscar: Any) -> Client:
    """Return a client for which Oscar has consented."""
    client = make_client("Order bot")
    consents(oscar, client)
    return client


def decoded(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def error_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


class TestExchange:
    def test_gives_a_token_that_says_who_acts_for_whom(
        self, world: World, client: Client, oscar: Any
    ) -> None:
        subject = world.subject(oscar)
        response = world.exchange(client, subject, scope="orders:read")
        body = response.json()
        assert set(body) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
        assert (body["token_type"], body["scope"]) == ("Bearer", "orders:read")
        assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
        assert (response["Cache-Control"], response["Pragma"]) == ("no-store", "no-cache")
        claims = decoded(body["access_token"])
        assert claims["iss"] == base_url()
        assert claims["sub"] == f"user:{oscar.pk}"
        assert claims["preferred_username"] == "oscar"
        assert claims["act"] == {"sub": client.row.actor, "iss": base_url()}
        assert (claims["aud"], claims["scope"]) == (ORDERS, "orders:read")
        assert claims["client_id"] == str(client.row.pk)
        assert claims["tenant"] == "acme"
        assert claims["policy_version"].count("/") == 1
        assert claims["exp"] == decoded(subject)["exp"]  # 200 s: the subject's end comes first
        assert body["expires_in"] == claims["exp"] - claims["iat"]
        assert jwt.get_unverified_header(body["access_token"])["typ"] == "at+jwt"

    def test_gives_no_token_that_outlives_five_minutes(
        self, world: World, client: Client, oscar: Any
    ) -> None:
        late = int(tokens.now().timestamp()) + 86400
        claims = decoded(world.token(client, world.subject(oscar, exp=late)))
        assert claims["exp"] - claims["iat"] == LIFETIME.total_seconds()

    def test_is_on_record_before_and_after_without_the_token(
        self, world: World, client: Client, oscar: Any
    ) -> None:
        subject = world.subject(oscar)
        token = world.token(client, subject)
        before, after = AuditEvent.objects.filter(action__startswith="token.").order_by("id")
        assert (before.action, after.action) == ("token.requested", "token.issued")
        claims = decoded(token)
        assert after.body["jti"] == before.body["jti"] == claims["jti"]
        assert (after.body["aud"], after.body["exp"]) == (ORDERS, claims["exp"])
        assert (after.user_name, after.actor_name) == ("oscar", "Order bot")
        written = json.dumps(list(AuditEvent.objects.values_list("body", flat=True)))
        for shown in (token, subject):
            assert shown not in written
            assert shown.rpartition(".")[2] not in written

    def test_takes_a_secret_in_http_basic(self, world: World, oscar: Any) -> None:
        client = make_client("With a secret", secret=True, agent=False)
        consents(oscar, client)
        claims = decoded(world.token(client, world.subject(oscar)))
        assert claims["act"]["sub"] == f"client:{client.row.pk}"
        assert client.secret not in str(TokenClient.objects.filter(pk=client.row.pk).values().get())

    def test_takes_an_audience_for_a_resource_and_a_jwt_for_a_type(
        self, world: World, client: Client, oscar: Any
    ) -> None:
        response = world.exchange(
            client,
            world.subject(oscar),
            resource=None,
            audience=ORDERS,
            subject_token_type=JWT,
            requested_token_type=JWT,
        )
        assert response.json()["issued_token_type"] == JWT

    def test_gives_without_a_scope_what_subject_and_client_both_have(
        self, world: World, client: Client, oscar: Any
    ) -> None:
        subject = world.subject(oscar, scope="orders:read profile")
        assert decoded(world.token(client, subject))["scope"] == "orders:read"

    def test_takes_the_consent_that_the_subject_token_names(self, world: World, oscar: Any) -> None:
        client = make_client("Named")
        for name in (str(client.row.pk), client.row.actor):
            subject = world.subject(oscar, may_act={"sub": name})
            assert decoded(world.token(client, subject))["act"]["sub"] == client.row.actor
        for may_act in (
            {"sub": "agent:other"},
            {"sub": name, "iss": "https://evil.example"},
            name,
            [name],
            {},
        ):
            response = world.exchange(client, world.subject(oscar, may_act=may_act))
            assert error_of(response) == (400, "invalid_grant"), may_act

    def test_of_one_person_by_two_agents_gives_each_its_own_rights(self, world: World, oscar: Any) -> None:
        reader = make_client("Reader", audiences={ORDERS: ["orders:read"]})
        clerk = make_client("Clerk", audiences={OTHER: ["ledger:write"], ORDERS: ["orders:write"]})
        for client, audience, scopes in (
            (reader, ORDERS, ["orders:read"]),
            (clerk, ORDERS, ["orders:write"]),
            (clerk, OTHER, ["ledger:write"]),
        ):
            consents(oscar, client, *scopes, audience=audience)
        subject = world.subject(oscar, scope="orders:read orders:write ledger:write")
        read, write = decoded(world.token(reader, subject)), decoded(world.token(clerk, subject))
        assert (read["scope"], write["scope"]) == ("orders:read", "orders:write")
        assert read["sub"] == write["sub"]
        assert read["act"]["sub"] != write["act"]["sub"]
        assert decoded(world.token(clerk, subject, resource=OTHER))["aud"] == OTHER
        assert error_of(world.exchange(reader, subject, resource=OTHER)) == (400, "invalid_target")
        assert error_of(world.exchange(reader, subject, scope="orders:write")) == (400, "invalid_scope")


class TestRefusal:
    @pytest.mark.parametrize(
        ("parameters", "error"),
        [
            ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
            ({"grant_type": None}, "invalid_request"),
            ({"subject_token": None}, "invalid_request"),
            ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
            ({"subject_token_type": None}, "invalid_request"),
            ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
            ({"actor_token": "x"}, "invalid_request"),
            ({"actor_token_type": JWT}, "invalid_request"),
            ({"resource": None}, "invalid_target"),
            ({"resource": [ORDERS, OTHER]}, "invalid_target"),
            ({"resource": OTHER}, "invalid_target"),
            ({"resource": f"{ORDERS}#part"}, "invalid_target"),
            ({"resource": "\x00"}, "invalid_target"),
            ({"audience": OTHER}, "invalid_target"),
            ({"scope": "orders:delete"}, "invalid_scope"),
            ({"scope": 'orders:read "'}, "invalid_scope"),
            ({"scope": ["orders:read", "orders:write"]}, "invalid_request"),
            ({"client_secret": "x"}, "invalid_request"),
            ({"client_id": "151a0876-4d02-452c-8275-6a3d8122ea54"}, "invalid_request"),
            ({"client_assertion_type": "x"}, "invalid_request"),
            ({"client_assertion": "x"}, "invalid_client"),
        ],
        ids=str,
    )
    def test_names_what_is_wrong_with_a_request(
        self, world: World, client: Client, oscar: Any, parameters: dict[str, Any], error: str
    ) -> None:
        response = world.exchange(client, world.subject(oscar), **parameters)
        assert error_of(response) == (401 if error == "invalid_client" else 400, error)
        refusal = AuditEvent.objects.filter(action="token.refused").get()
        assert refusal.body["error"] == error
        assert not IssuedToken.objects.exists()

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": OTHER},
            {"aud": None},
            {"aud": 7},
            {"exp": 1},
            {"exp": None},
            {"exp": "9999999999"},
            {"exp": True},
            {"exp": 1e308 * 10},
            {"nbf": 9999999999},
            {"iat": 9999999999},
            {"sub": None},
            {"preferred_username": "nobody"},
            {"preferred_username": "x\x00"},
            {"preferred_username": None},
            {"iss": "https://evil.example"},
            {"iss": None},
            {"scope": ["orders:read"]},
            {"act": "agent:x"},
            {"act": {"sub": 7}},
            {"typ": "ID"},
        ],
        ids=str,
    )
    def test_meets_a_subject_token_that_says(
        self, world: World, client: Client, oscar: Any, claims: dict[str, Any]
    ) -> None:
        if claims.get("typ") == "ID":
            subject = world.idp.sign(typ="JWT", sub="x", preferred_username="oscar", aud="countersign")
        else:
            subject = world.subject(oscar, **claims)
        assert error_of(world.exchange(client, subject)) == (400, "invalid_grant")
        assert not IssuedToken.objects.exists()

    def test_meets_an_act_chain_that_is_too_deep(self, world: World, client: Client, oscar: Any) -> None:
        act: dict[str, Any] = {}
        for n in range(9):
            act = {"sub": f"agent:{n}", **({"act": act} if act else {})}
        claims = decoded(world.token(client, world.subject(oscar, act=act)))
        actors = rules.chain(claims["act"])
        assert [actor["sub"] for actor in actors] == [
            client.row.actor,
            *(f"agent:{n}" for n in range(8, -1, -1)),
        ]
        deeper = {"sub": "agent:9", "act": act}
        assert error_of(world.exchange(client, world.subject(oscar, act=deeper))) == (400, "invalid_request")
        deepest = {"sub": "agent:10", "act": deeper}
        assert error_of(world.exchange(client, world.subject(oscar, act=deepest))) == (400, "invalid_grant")

    def test_meets_a_token_that_is_too_large(self, world: World, client: Client, oscar: Any) -> None:
        subject = world.subject(oscar, padding="x" * 8192)
        assert error_of(world.exchange(client, subject)) == (400, "invalid_grant")

    def test_meets_whom_the_client_may_not_act_for(self, world: World, oscar: Any, person: Any) -> None:
        client = make_client("For viewers", roles=("viewer",))
        consents(oscar, client)
        assert error_of(world.exchange(client, world.subject(oscar))) == (400, "unauthorized_client")
        assert error_of(world.exchange(client, world.subject(person("vera")))) == (400, "invalid_grant")

    @pytest.mark.parametrize("change", ["gone", "expired", "withdrawn", "of another client"])
    def test_meets_a_consent_that_is(self, world: World, client: Client, oscar: Any, change: str) -> None:
        grants = DelegationGrant.objects.filter(user=oscar)
        past = tokens.now() - timedelta(seconds=1)
        match change:
            case "gone":
                grants.delete()
            case "expired":
                grants.update(expires_at=past)
            case "withdrawn":
                grants.update(revoked_at=past)
            case _:
                grants.update(client=make_client("Another").row)
        assert error_of(world.exchange(client, world.subject(oscar))) == (400, "invalid_grant")

    def test_meets_what_a_consent_does_not_cover(self, world: World, client: Client, oscar: Any) -> None:
        DelegationGrant.objects.update(scopes=["orders:read"])
        response = world.exchange(client, world.subject(oscar), scope="orders:read orders:write")
        assert error_of(response) == (400, "invalid_scope")

    def test_meets_a_person_who_left(self, world: World, client: Client, oscar: Any) -> None:
        oscar.is_active = False
        oscar.save()
        assert error_of(world.exchange(client, world.subject(oscar))) == (400, "invalid_grant")


class TestClients:
    def test_that_are_unknown_or_disabled_or_wrong_are_told_the_same(self, world: World, oscar: Any) -> None:
        client = make_client("With a secret", secret=True)
        consents(oscar, client)
        wrong = Client(client.row, secret="wrong")
        unknown = Client(TokenClient(name="x"), secret="x")
        no_uuid = Client(TokenClient(pk=None, name="x"), secret="x")
        seen = {world.exchange(who, world.subject(oscar)).content for who in (wrong, unknown, no_uuid)}
        TokenClient.objects.filter(pk=client.row.pk).update(enabled=False)
        seen.add(world.exchange(client, world.subject(oscar)).content)
        assert len(seen) == 1
        response = world.exchange(client, world.subject(oscar))
        assert error_of(response) == (401, "invalid_client")
        assert response["WWW-Authenticate"].startswith("Basic ")

    def test_with_keys_take_no_secret(self, world: World, client: Client, oscar: Any) -> None:
        for secret in ("", "x"):
            impostor = Client(client.row, secret=secret)
            assert error_of(world.exchange(impostor, world.subject(oscar))) == (401, "invalid_client")

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": OTHER},
            {"aud": ["http://acme.localhost", OTHER]},
            {"exp": 1},
            {"exp": 9999999999},
            {"jti": None},
            {"iss": "x"},
        ],
        ids=str,
    )
    def test_are_refused_with_an_assertion_that_says(
        self, world: World, client: Client, oscar: Any, claims: dict[str, Any]
    ) -> None:
        assertion = client.assertion(**claims)
        response = world.exchange(client, world.subject(oscar), client_assertion=assertion)
        assert error_of(response) == (401, "invalid_client")

    def test_use_an_assertion_once_whatever_came_of_it(
        self, world: World, client: Client, oscar: Any
    ) -> None:
        assertion = client.assertion(aud=f"{base_url()}/oauth/token")
        refused = world.exchange(client, "no.such.token", client_assertion=assertion)
        assert error_of(refused) == (400, "invalid_grant")
        again = world.exchange(client, world.subject(oscar), client_assertion=assertion)
        assert error_of(again) == (401, "invalid_client")

    def test_lose_their_tokens_when_they_change(self, world: World, client: Client, oscar: Any) -> None:
        from governance.identity import clients

        world.token(client, world.subject(oscar))
        clients.save(client=client.row, by="alice", now=tokens.now())
        assert IssuedToken.objects.filter(revoked_at=None).count() == 0


class TestActorToken:
    def given(self, token: str) -> dict[str, str]:
        return {"actor_token": token, "actor_token_type": JWT}

    def test_names_who_acts_and_is_used_once(self, world: World, client: Client, oscar: Any) -> None:
        actor = client.actor_token()
        claims = decoded(world.token(client, world.subject(oscar), **self.given(actor)))
        assert claims["act"]["sub"] == client.row.actor
        again = world.exchange(client, world.subject(oscar), **self.given(actor))
        assert error_of(again) == (400, "invalid_grant")
        assert "once" in again.json()["error_description"]

    @pytest.mark.parametrize(
        ("claims", "error"),
        [
            ({"sub": "agent:14eb3842-c214-47ea-99f8-3db73958f95b"}, "invalid_grant"),
            ({"sub": None}, "invalid_grant"),
            ({"jti": None}, "invalid_grant"),
            ({"exp": 9999999999}, "invalid_grant"),
            ({"exp": 1}, "invalid_grant"),
            ({"aud": OTHER}, "invalid_grant"),
            ({"act": {"sub": "agent:x"}}, "invalid_request"),
            ({"iss": "https://evil.example"}, "invalid_grant"),
        ],
        ids=str,
    )
    def test_is_refused_that_says(
        self, world: World, client: Client, oscar: Any, claims: dict[str, Any], error: str
    ) -> None:
        response = world.exchange(client, world.subject(oscar), **self.given(client.actor_token(**claims)))
        assert error_of(response) == (400, error)

    def test_ends_the_token_when_it_ends(self, world: World, client: Client, oscar: Any) -> None:
        soon = int(tokens.now().timestamp()) + 30
        actor = client.actor_token(exp=soon)
        assert decoded(world.token(client, world.subject(oscar), **self.given(actor)))["exp"] == soon


def part(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def pem_of(signer: Signer) -> bytes:
    """Return the public key as others see it: the secret of an HMAC in many an attack."""
    public = signer.key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class TestForgery:
    """Governance asks for two hundred forged or replayed delegations; none is accepted."""

    def test_of_two_hundred_none_is_accepted(
        self, world: World, client: Client, oscar: Any, globex_tenant: Any
    ) -> None:
        mallory = Signer(issuer=world.idp.issuer)
        good = world.subject(oscar)
        header, payload, signature = good.split(".")
        kid = world.idp.jwk["kid"]
        public = json.dumps(world.idp.jwk)
        claims = decoded(good)
        forged = [
            world.idp.sign(key=mallory.key, kid=kid, **claims),
            mallory.sign(**claims),
            world.idp.sign(key=tokens.ed25519_key(), kid=kid, **claims),
            f"{part({'alg': 'none', 'typ': 'at+jwt', 'kid': kid})}.{payload}.",
            f"{part({'alg': 'None', 'typ': 'at+jwt', 'kid': kid})}.{payload}.{signature}",
            f"{part({'typ': 'at+jwt', 'kid': kid})}.{payload}.{signature}",
            f"{header}.{part({**claims, 'preferred_username': 'alice'})}.{signature}",
            f"{header}.{payload}.",
            f"{header}.{payload}",
            f"{header}.{payload}.{signature}.{signature}",
            f"{part({'alg': 'ES256', 'typ': 'at+jwt', 'kid': kid, 'crit': ['x'], 'x': 1})}.{payload}.{signature}",
            f"{part({'alg': 'ES256', 'typ': 'at+jwt', 'kid': kid, 'jwk': mallory.jwk})}.{payload}.{signature}",
            f"{part({'alg': 'ES256', 'typ': 'at+jwt', 'kid': [kid]})}.{payload}.{signature}",
            f"{part({'alg': 'ES256', 'typ': 'at+jwt', 'kid': kid, 'b64': False})}.{payload}.{signature}",
            f"{part([])}.{payload}.{signature}",
            "",
            "...",
            "eyJ",
            "é.é.é",
            "\x00.\x00.\x00",
            "[" * 4000,
        ]
        for secret in (public.encode(), world.idp.jwk["x"].encode(), b"", pem_of(world.idp)):
            head = part({"alg": "HS256", "typ": "at+jwt", "kid": kid})
            mac = hmac.digest(secret, f"{head}.{payload}".encode(), "sha256")
            forged.append(f"{head}.{payload}.{urlsafe_b64encode(mac).decode().rstrip('=')}")
        replayed = client.assertion()
        assert world.exchange(client, good, client_assertion=replayed).status_code == 200
        spent = client.actor_token()
        actor = {"actor_token": spent, "actor_token_type": JWT}
        assert world.exchange(client, good, **actor).status_code == 200
        issued = IssuedToken.objects.count()
        attempts = 0
        for n in range(200):
            attempts += 1
            match n % 4:
                case 0 | 1:
                    flipped = bytearray(signature.encode())
                    flipped[n % (len(flipped) - 1)] ^= 1 + n % 3
                    token = (
                        forged[n // 4]
                        if n // 4 < len(forged)
                        else f"{header}.{payload}.{flipped.decode('latin-1')}"
                    )
                    response = world.exchange(client, token if n % 4 == 0 else token[::-1])
                case 2:
                    response = world.exchange(client, good, client_assertion=replayed)
                case _:
                    response = world.exchange(client, good, **actor)
            assert response.status_code in {400, 401}, n
            assert "access_token" not in response.json()
        assert (attempts, IssuedToken.objects.count()) == (200, issued)

    def test_with_another_tenants_key_is_refused(
        self, world: World, client: Client, oscar: Any, globex_tenant: Any
    ) -> None:
        from governance.identity.issuing import issue
        from governance.identity.types import Order
        from tenants.kernel.context import tenant_context

        acme_url = base_url()
        with tenant_context(globex_tenant):
            order = Order(sub=f"user:{oscar.pk}", audience=acme_url, client_id="x")
            foreign = issue(order, now=tokens.now()).token
            kid = keys.signer(now=tokens.now()).kid
            key = keys.private_key(kid)
        posing = Signer(issuer=acme_url, key=key).sign(
            sub=f"user:{oscar.pk}", aud=acme_url, tenant="acme", jti=str(uuid4())
        )
        for token in (foreign, posing):
            assert error_of(world.exchange(client, token)) == (400, "invalid_grant")

    def test_with_an_unknown_kid_asks_the_issuer_once_a_minute(
        self, world: World, client: Client, oscar: Any
    ) -> None:
        for n in range(5):
            subject = world.idp.sign(kid=f"kid-{n}", sub="x", preferred_username="oscar", aud="countersign")
            assert error_of(world.exchange(client, subject)) == (400, "invalid_grant")
        place = next(place for place in verification._fetched if world.idp.issuer in place[1])
        assert verification._fetched[place].keys


class TestEndpoint:
    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"", "application/x-www-form-urlencoded"),
            (b"{}", "application/json"),
            (b"a=%ff&b=%00", "application/x-www-form-urlencoded"),
            (b"x" * 70_000, "application/x-www-form-urlencoded"),
            (b"&".join(b"a%d=1" % n for n in range(3000)), "application/x-www-form-urlencoded"),
            (b"grant_type=x&grant_type=x", "application/x-www-form-urlencoded; charset=utf-7"),
            (b"--x\r\n", "multipart/form-data; boundary=x"),
        ],
        ids=lambda value: str(value[:20]),
    )
    def test_answers_what_is_no_request_in_oauths_words(
        self, world: World, body: bytes, content_type: str
    ) -> None:
        response = world.http.post("/oauth/token", body, content_type=content_type)
        assert response.status_code in {400, 401}
        assert response.json()["error"] in {"invalid_request", "invalid_client"}

    @pytest.mark.parametrize(
        "header", ["Basic", "Basic x", "Basic " + b64encode(b"\xff:\xff").decode(), "Bearer x"]
    )
    def test_answers_an_authorization_that_cannot_be_read(self, world: World, header: str) -> None:
        response = world.http.post(
            "/oauth/token", "grant_type=x", content_type=tokens.FORM, headers={"Authorization": header}
        )
        assert error_of(response) == (401, "invalid_client")

    def test_is_not_read_by_get(self, world: World) -> None:
        assert world.http.get("/oauth/token").status_code == 405

    def test_is_not_on_the_platforms_host(self, acme: Any) -> None:
        platform = Browser(headers={"host": "localhost"})
        for path in ("/oauth/token", "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"):
            assert platform.get(path).status_code == 404

    def test_describes_itself(self, world: World) -> None:
        response = world.http.get("/.well-known/oauth-authorization-server")
        body = response.json()
        assert body["issuer"] == base_url()
        assert body["token_endpoint"] == f"{base_url()}/oauth/token"
        assert body["jwks_uri"].startswith(body["issuer"])
        assert response["Cache-Control"] == "public, max-age=300"
