"""Sign and verify compact JWTs with ES256 and EdDSA, and nothing else. Keys in, claims out; no tables.

Times are not looked at here: `claims` does that, with a clock that is given. A signature is checked with
the algorithm that belongs to the key; the one that the header names must be the same (RFC 8725, section 3.1).
"""

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm
from jwt.api_jws import PyJWS
from jwt.exceptions import InvalidTokenError, PyJWTError

from governance.identity.types import Claims, TokenRefused
from tenants.kernel.jsonvalues import JsonObject

ALGORITHMS = ("ES256", "EdDSA")
MAX_BYTES = 8 * 1024
MAX_KID = 255
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
_JWS = PyJWS(algorithms=ALGORITHMS)
_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
_CURVES = {"EC": ("P-256", "ES256"), "OKP": ("Ed25519", "EdDSA")}


class Malformed(TokenRefused):
    """A text is no JWT, or its signature is not that of the key."""

    def __init__(self, detail: str) -> None:
        super().__init__("invalid_grant", detail)


def new_key() -> PrivateKey:
    """Return a random key for ES256."""
    return ec.generate_private_key(ec.SECP256R1())


def to_pem(key: PrivateKey) -> str:
    """Return a private key as PEM, to be sealed."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def from_pem(text: str) -> PrivateKey:
    """Return the private key of a PEM that `to_pem` wrote."""
    key = load_pem_private_key(text.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise ValueError("The key is neither ES256 nor EdDSA.")
    return key


def public_jwk(key: PrivateKey) -> JsonObject:
    """Return the public half as a JWK (RFC 7517) with `kid` (RFC 7638), `alg` and `use`."""
    public = key.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        bare = ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        bare = OKPAlgorithm.to_jwk(public, as_dict=True)
    kind = str(bare["kty"])
    members = {name: bare[name] for name in _MEMBERS[kind]}
    return {**members, "kid": thumbprint(members), "alg": _CURVES[kind][1], "use": "sig"}


def thumbprint(jwk: JsonObject) -> str:
    """Return the RFC 7638 thumbprint of a public key."""
    members = {name: jwk[name] for name in _MEMBERS[str(jwk["kty"])]}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def algorithm_of(jwk: JsonObject) -> str:
    """Return the algorithm of a public key; raise ValueError for one that no token may be checked with."""
    kind = str(jwk.get("kty"))
    curve, algorithm = _CURVES.get(kind, ("", ""))
    if not algorithm or jwk.get("crv") != curve:
        raise ValueError("use an EC key on P-256 or an OKP key on Ed25519")
    if jwk.get("d") is not None:
        raise ValueError("this is a private key: give its public half, and replace it, for it was shown")
    if jwk.get("alg", algorithm) not in {algorithm, "Ed25519"} or jwk.get("use", "sig") != "sig":
        raise ValueError(f"the key is not one for {algorithm} signatures")
    return algorithm


def public_key(jwk: JsonObject) -> PublicKey:
    """Return the key of a JWK; raise ValueError where it is none that is used here."""
    algorithm = algorithm_of(jwk)
    try:
        key = ECAlgorithm.from_jwk(jwk) if algorithm == "ES256" else OKPAlgorithm.from_jwk(jwk)
    except (PyJWTError, ValueError, TypeError, KeyError) as error:
        raise ValueError("its coordinates are no point on the curve") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise ValueError("give the public half of the key")
    return key


def sign(claims: Claims, *, key: PrivateKey, kid: str, typ: str = "at+jwt") -> str:
    """Return the claims as a signed compact JWT."""
    algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "EdDSA"
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return _JWS.encode(payload, key, algorithm=algorithm, headers={"typ": typ, "kid": kid})


def unverified(token: str) -> tuple[JsonObject, Claims]:
    """Return header and claims of a text that says it is a JWT: only to find the key to check it with."""
    if len(token.encode("utf-8", "replace")) > MAX_BYTES:
        raise Malformed(f"The token is larger than {MAX_BYTES // 1024} KiB.")
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii():  # noqa: PLR2004  # header, claims and signature
        raise Malformed("The token is no signed compact JWT.")
    header, claims = _object(parts[0]), _object(parts[1])
    if header.get("alg") not in ALGORITHMS:
        raise Malformed(f"The token's algorithm is none of {' and '.join(ALGORITHMS)}.")
    if "crit" in header or "b64" in header:
        raise Malformed("The token's header asks for an extension that is not understood here.")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid.isprintable() or len(kid) > MAX_KID:
        raise Malformed("The token's header names no key (kid).")
    return header, claims


def verify(token: str, *, jwk: JsonObject) -> Claims:
    """Return the claims of a token that the key has signed; raise Malformed if it has not."""
    try:
        decoded = _JWS.decode_complete(token, public_key(jwk), algorithms=[algorithm_of(jwk)])
    except (InvalidTokenError, PyJWTError, ValueError, TypeError) as error:
        raise Malformed("The token's signature is not valid.") from error
    return _parsed(decoded["payload"])


def _object(part: str) -> JsonObject:
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise Malformed("The token is no signed compact JWT.") from error
    return _parsed(raw)


def _parsed(raw: bytes) -> JsonObject:
    """Return a JSON object in which no name occurs twice: two readers might see two tokens."""
    try:
        value = json.loads(raw, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed("The token's header or claims are no plain JSON object.") from error
    if not isinstance(value, dict):
        raise Malformed("The token's header or claims are no JSON object.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> JsonObject:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name occurs twice")
    return dict(pairs)


def _no_constant(_name: str) -> None:
    raise ValueError("no JSON")
