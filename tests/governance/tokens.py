"""What tests of token exchange do again and again: clients with keys, tokens by others, a service downstream."""

import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote_plus, urlencode
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.jwks_client import PyJWKClient

from governance.identity import clients, jose
from governance.identity.models import DelegationGrant, TokenClient, TrustedIssuer
from governance.identity.types import ACCESS_TOKEN, ASSERTION, EXCHANGE
from tenants.tenancy.urls import base_url
from tests.tenants.sinks import Target, answer, listening

ORDERS = "https://orders.example.com"
OTHER = "https://ledger.example.com"
FORM = "application/x-www-form-urlencoded"


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Signer:
    """Somebody with a key of their own."""

    def __init__(self, *, issuer: str, key: jose.PrivateKey | None = None) -> None:
        self.issuer = issuer
        self.key = key or jose.new_key()
        self.jwk = jose.public_jwk(self.key)

    @property
    def jwks(self) -> dict[str, Any]:
        """Return the key set."""
        return {"keys": [self.jwk]}

    def sign(self, *, typ: str = "at+jwt", key: Any = None, kid: str = "", **claims: Any) -> str:
        """Return a token with these claims; one that is None is left out."""
        at = int(now().timestamp())
        given = {"iss": self.issuer, "iat": at, "exp": at + 200, "jti": str(uuid4()), **claims}
        given = {name: value for name, value in given.items() if value is not None}
        return jose.sign(given, key=key or self.key, kid=kid or self.jwk["kid"], typ=typ)


def ed25519_key() -> jose.PrivateKey:
    """Return a key for EdDSA."""
    return ed25519.Ed25519PrivateKey.generate()


def rsa_like() -> Any:
    """Return a key on a curve that is not used here."""
    return ec.generate_private_key(ec.SECP384R1())


class World:
    """A tenant with an identity provider it trusts and clients that exchange its tokens."""

    def __init__(self, *, idp: Signer, http: Any) -> None:
        self.idp, self.http = idp, http

    def subject(self, user: Any, **claims: Any) -> str:
        """Return an access token of the identity provider about a person."""
        given = {"sub": f"idp|{user.pk}", "preferred_username": user.username, "aud": "countersign"}
        return self.idp.sign(**{**given, "scope": "orders:read orders:write", **claims})

    def exchange(self, client: "Client", subject: str, **parameters: Any) -> Any:
        """Ask for a token as the client; a parameter that is None is left out."""
        given = {
            "grant_type": EXCHANGE,
            "subject_token": subject,
            "subject_token_type": ACCESS_TOKEN,
            "resource": ORDERS,
            **client.parameters(),
            **parameters,
        }
        body = urlencode({k: v for k, v in given.items() if v is not None}, doseq=True)
        return self.http.post("/oauth/token", body, content_type=FORM, headers=client.headers())

    def token(self, client: "Client", subject: str, **parameters: Any) -> str:
        """Return the token that the client gets."""
        response = self.exchange(client, subject, **parameters)
        assert response.status_code == 200, response.content
        return str(response.json()["access_token"])


class Client:
    """A client that signs assertions, or shows a secret."""

    def __init__(self, row: TokenClient, *, signer: Signer | None = None, secret: str = "") -> None:
        self.row, self.signer, self.secret = row, signer, secret

    def assertion(self, **claims: Any) -> str:
        """Return an assertion about itself."""
        assert self.signer is not None
        me = str(self.row.pk)
        return self.signer.sign(typ="JWT", **{"iss": me, "sub": me, "aud": base_url(), **claims})

    def actor_token(self, **claims: Any) -> str:
        """Return a token that says as whom it acts."""
        assert self.signer is not None
        given = {"iss": str(self.row.pk), "sub": self.row.actor, "aud": base_url()}
        return self.signer.sign(typ="JWT", **{**given, **claims})

    def parameters(self) -> dict[str, str]:
        """Return what it adds to a request's body."""
        if self.signer is None:
            return {}
        return {"client_assertion_type": ASSERTION, "client_assertion": self.assertion()}

    def headers(self) -> dict[str, str]:
        """Return what it adds to a request's headers."""
        if self.signer is not None:
            return {}
        pair = f"{quote_plus(str(self.row.pk))}:{quote_plus(self.secret)}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def make_client(
    name: str,
    *,
    audiences: dict[str, list[str]] | None = None,
    secret: bool = False,
    roles: tuple[str, ...] = ("operator", "viewer", "reviewer"),
    agent: bool = True,
) -> Client:
    """Return a client that may get tokens for the orders service."""
    row = TokenClient(
        name=name,
        agent_id=uuid4() if agent else None,
        audiences={ORDERS: ["orders:read", "orders:write"]} if audiences is None else audiences,
        may_delegate_for=list(roles),
    )
    signer = None if secret else Signer(issuer=str(row.pk))
    row.jwks = signer.jwks if signer else {}
    clients.save(client=row, by="alice", now=now())
    return Client(row, signer=signer, secret=clients.give_secret(client=row) if secret else "")


def consents(user: Any, client: Client, *scopes: str, audience: str = ORDERS) -> DelegationGrant:
    """Let the client act for the person for an hour."""
    return DelegationGrant.objects.create(
        user=user,
        client=client.row,
        audience=audience,
        scopes=list(scopes or ("orders:read", "orders:write")),
        expires_at=now() + timedelta(hours=1),
        created_by=user.username,
    )


@contextmanager
def identity_provider() -> Iterator[tuple[Signer, Target]]:
    """Serve the key set of an identity provider."""
    with listening() as target:
        idp = Signer(issuer=target.url)
        target.reply = lambda handler: answer(handler, 200, json.dumps(idp.jwks).encode())
        yield idp, target


def trust(idp: Signer, target: Target, **more: Any) -> TrustedIssuer:
    """Let the tenant believe the provider's access tokens."""
    given = {"issuer": idp.issuer, "jwks_url": f"{target.url}/jwks", "audience": "countersign"}
    return TrustedIssuer.objects.create(**{**given, **more})


class Downstream(ThreadingHTTPServer):
    """A service that lets a request in when its token is for it, and notes who asked; each token once."""

    daemon_threads = True

    def __init__(self, *, audience: str, jwks_url: str, issuer: str, needs: str = "orders:read") -> None:
        super().__init__(("127.0.0.1", 0), _Gatekeeper)
        self.audience, self.issuer, self.needs = audience, issuer, needs
        self.keys = PyJWKClient(jwks_url, cache_keys=False, lifespan=1)
        self.accepted: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.seen: set[str] = set()
        self.bearers: list[str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Return where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def check(self, bearer: str) -> dict[str, Any]:
        """Return the claims of a token that is let in; raise what is wrong with it."""
        key = self.keys.get_signing_key_from_jwt(bearer)
        if jwt.get_unverified_header(bearer).get("typ") != "at+jwt":
            raise ValueError("it is no access token")
        claims: dict[str, Any] = jwt.decode(
            bearer,
            key,
            algorithms=["ES256"],
            audience=self.audience,
            issuer=self.issuer,
            options={"require": ["exp", "iat", "aud", "iss", "sub", "jti"], "strict_aud": True},
        )
        if "act" not in claims:
            raise ValueError("nobody is named as acting")
        if self.needs not in claims.get("scope", "").split():
            raise ValueError("it has not the scope")
        with self.lock:
            if claims["jti"] in self.seen:
                raise ValueError("it was used before")
            self.seen.add(claims["jti"])
        return claims

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


class _Gatekeeper(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Downstream

    def _handle(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.server.bearers.append(bearer)
        try:
            claims = self.server.check(bearer)
        except Exception as error:  # noqa: BLE001  # whatever is wrong with it
            self.server.refused.append(f"{type(error).__name__}: {error}")
            answer(self, 401, json.dumps({"error": "invalid_token", "echo": bearer}).encode())
            return
        self.server.accepted.append(claims)
        answer(self, 200, json.dumps({"order": "A-1", "echo": bearer}).encode())

    do_GET = do_POST = _handle  # noqa: N815

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def downstream(keys: Callable[[], Any], *, issuer: str, audience: str = ORDERS) -> Iterator[Downstream]:
    """Serve the service, and beside it the key set that `keys` gives."""
    with listening() as target:
        target.reply = lambda handler: answer(handler, 200, json.dumps(keys()).encode())
        server = Downstream(audience=audience, jwks_url=f"{target.url}/jwks", issuer=issuer)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def ask(server: Downstream, token: str) -> int:
    """Ask the service with a token; return the status."""
    import httpx

    return httpx.get(f"{server.url}/orders/A-1", headers={"Authorization": f"Bearer {token}"}).status_code
