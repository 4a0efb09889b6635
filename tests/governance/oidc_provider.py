"""A small OpenID Connect provider that speaks HTTP on this machine, and can be told to misbehave."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "countersign", "a client's secret"


class Provider:
    """Who it says somebody is, and its lies."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.signs_with: rsa.RSAPrivateKey | None = self.key
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.token: dict[str, Any] = {}
        self.says: dict[str, Any] = {}
        self.codes: dict[str, str] = {}
        self.asked: list[str] = []

    def authorize(self, url: str) -> str:
        """Let somebody in at the authorize endpoint; return where their browser goes next."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_hex(8)
        self.codes[code] = query["code_challenge"]
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def answer(self, path: str, form: dict[str, str], headers: Any) -> tuple[int, Any]:
        """Return status and body of a request."""
        self.asked.append(path)
        match path:
            case "/.well-known/openid-configuration":
                ends = ("authorize", "token", "userinfo", "jwks")
                names = (
                    "authorization_endpoint",
                    "token_endpoint",
                    "userinfo_endpoint",
                    "jwks_uri",
                )
                found = {name: f"{self.issuer}/{end}" for name, end in zip(names, ends, strict=True)}
                return 200, {"issuer": self.issuer, **found, **self.says}
            case "/jwks":
                public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
                return 200, {"keys": [{**public, "kid": "one", "alg": "RS256"}]}
            case "/token":
                return self._token(form, headers)
            case "/userinfo":
                return 200, self.userinfo if self.userinfo is not None else self.claims
        return 404, {}

    def _token(self, form: dict[str, str], headers: Any) -> tuple[int, Any]:
        challenge = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        pkce = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if challenge != pkce or form.get("client_secret") != SECRET:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 60,
            **self.claims,
            **self.token,
        }
        algorithm = "RS256" if self.signs_with else "none"
        token = jwt.encode(claims, self.signs_with or "", algorithm=algorithm, headers={"kid": "one"})
        return 200, {"access_token": "opaque", "token_type": "Bearer", "id_token": token}


class Handler(BaseHTTPRequestHandler):
    """Hands requests to the provider."""

    provider: Provider

    def do_GET(self) -> None:
        self._reply({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self._reply({name: values[0] for name, values in parse_qs(body).items()})

    def _reply(self, form: dict[str, str]) -> None:
        status, body = self.provider.answer(urlsplit(self.path).path, form, self.headers)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def running() -> Iterator[Provider]:
    """Run a provider on a free port."""
    handler = type("Bound", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.provider = Provider(server.server_port)  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield handler.provider  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
