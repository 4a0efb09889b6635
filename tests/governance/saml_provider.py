"""A small SAML provider: answers that are signed for real, and ways to spoil them."""

import base64
import uuid
import zlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from onelogin.saml2.constants import OneLogin_Saml2_Constants as C
from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils

ENTITY = "https://saml.corp.example"
SSO = "https://saml.corp.example/sso"
EMAIL = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"
RESPONSE = """\
<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"
xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_{response}" Version="2.0"
IssueInstant="{now}" Destination="{acs}" InResponseTo="{asked}">
<saml:Issuer>{entity}</saml:Issuer>
<samlp:Status>
<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>
</samlp:Status>{assertion}</samlp:Response>"""
ASSERTION = """\
<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_{id}" Version="2.0"
IssueInstant="{now}">
<saml:Issuer>{entity}</saml:Issuer>
<saml:Subject>
<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{uid}</saml:NameID>
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
<saml:SubjectConfirmationData NotOnOrAfter="{end}" Recipient="{acs}" InResponseTo="{asked}"/>
</saml:SubjectConfirmation>
</saml:Subject>
<saml:Conditions NotBefore="{begin}" NotOnOrAfter="{end}">
<saml:AudienceRestriction>
<saml:Audience>{audience}</saml:Audience>
</saml:AudienceRestriction>
</saml:Conditions>
<saml:AuthnStatement AuthnInstant="{now}" SessionIndex="_s">
<saml:AuthnContext>
<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef>
</saml:AuthnContext>
</saml:AuthnStatement>
<saml:AttributeStatement>
<saml:Attribute Name="{email_name}">
<saml:AttributeValue>{email}</saml:AttributeValue>
</saml:Attribute>
<saml:Attribute Name="groups">
<saml:AttributeValue>{group}</saml:AttributeValue>
</saml:Attribute>
</saml:AttributeStatement>
</saml:Assertion>"""


def key_and_certificate() -> tuple[str, str]:
    """Return a private key and its certificate, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "saml.corp.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


class Provider:
    """Signs assertions about Nina."""

    def __init__(self) -> None:
        self.key, self.certificate = key_and_certificate()
        self.email, self.group, self.audience = "nina@corp.example", "reviewers", ""
        self.life = timedelta(minutes=5)

    def answer(self, url: str, *, signed: bool = True) -> str:
        """Return the SAMLResponse to the request in the address, in base64."""
        request = parse_qs(urlsplit(url).query)["SAMLRequest"][0]
        root = ElementTree.fromstring(zlib.decompress(base64.b64decode(request), -15))  # noqa: S314  # ours
        issuer = root.findtext("{urn:oasis:names:tc:SAML:2.0:assertion}Issuer") or ""
        now = datetime.now(UTC)
        stamp = "%Y-%m-%dT%H:%M:%SZ"
        facts = {
            "response": uuid.uuid4().hex,
            "id": uuid.uuid4().hex,
            "now": now.strftime(stamp),
            "begin": (now - timedelta(minutes=1)).strftime(stamp),
            "end": (now + self.life).strftime(stamp),
            "acs": root.attrib["AssertionConsumerServiceURL"],
            "asked": root.attrib["ID"],
            "entity": ENTITY,
            "uid": "nina-1",
            "audience": self.audience or issuer,
            "email_name": EMAIL,
            "email": self.email,
            "group": self.group,
        }
        assertion = ASSERTION.format(**facts)
        if signed:
            made = Utils.add_sign(assertion, self.key, self.certificate, False, C.RSA_SHA256, C.SHA256)
            assertion = made if isinstance(made, str) else made.decode()
        return base64.b64encode(RESPONSE.format(**facts, assertion=assertion).encode()).decode()


def spoiled(answer: str, old: str, new: str) -> str:
    """Return the answer with something changed after it was signed."""
    text = base64.b64decode(answer).decode()
    assert old in text
    return base64.b64encode(text.replace(old, new).encode()).decode()
