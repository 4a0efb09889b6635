"""Ask a tenant's LDAP directories whether a password is right.

django-python3-ldap reads one directory from the settings of the process; a tenant's are rows. So this
speaks through ldap3, the client beneath it. Nothing is asked without TLS except on this machine, no
referral is followed, and the host is checked like every outbound one.
"""

import logging
import ssl
from typing import Any
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn

from governance.access.models import User
from governance.signin.identities import Identity, IdentityRefused, sign_in
from governance.signin.models import IdentityProvider
from tenants.kernel import outbound
from tenants.kernel.errors import DomainError

logger = logging.getLogger(__name__)
TIMEOUT_S = 5
PORTS = {"ldap": 389, "ldaps": 636}
ATTRIBUTES = ("uid", "mail", "givenName", "sn", "cn")


class DirectoryUnusable(DomainError):
    """The directory could not be asked, or not safely; nobody is signed in through it."""

    code = "directory-unusable"
    status = 502
    title = "The directory cannot be asked"


def authenticate(*, username: str, password: str) -> User | None:
    """Return the person of the first directory that accepts the password, linked and with their roles."""
    for provider in IdentityProvider.objects.filter(kind=IdentityProvider.Kind.LDAP, enabled=True):
        try:
            identity = ask(provider, username=username, password=password)
            if identity is not None:
                return sign_in(provider, identity)
        except IdentityRefused:
            logger.info("Directory %s knows somebody who may not sign in here", provider.slug)
        except DomainError as error:
            logger.warning("Directory %s: %s", provider.slug, error.detail)
    return None


def ask(provider: IdentityProvider, *, username: str, password: str) -> Identity | None:
    """Return whom name and password name in the directory, or None; raise DirectoryUnusable.

    An empty password is refused here: a directory takes it for an anonymous bind, which succeeds.
    """
    if not username or not password:
        return None
    try:
        dn = _dn_of(provider, username)
        if not dn:
            return None
        return _read_as(provider, dn, username, password)
    except LDAPException as error:
        raise DirectoryUnusable(f"The directory cannot be asked: {type(error).__name__}.") from error


def _dn_of(provider: IdentityProvider, username: str) -> str:
    if provider.user_dn:
        return provider.user_dn.replace("{username}", escape_rdn(username))
    connection = _connect(provider, provider.client_id, provider.secret)
    if connection is None:
        raise DirectoryUnusable("The directory does not accept the DN that searches.")
    try:
        wanted = provider.search_filter.replace("{username}", escape_filter_chars(username))
        connection.search(provider.search_base, wanted, attributes=None, size_limit=2)
        found = [entry["dn"] for entry in connection.response if entry.get("type") == "searchResEntry"]
    finally:
        connection.unbind()
    return str(found[0]) if len(found) == 1 else ""


def _read_as(provider: IdentityProvider, dn: str, username: str, password: str) -> Identity | None:
    connection = _connect(provider, dn, password)
    if connection is None:
        return None
    try:
        wanted = [*ATTRIBUTES, *([provider.role_claim] if provider.role_claim else [])]
        connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=wanted)
        entries = [entry for entry in connection.response if entry.get("type") == "searchResEntry"]
    finally:
        connection.unbind()
    if not entries:
        return None
    read = entries[0]["attributes"]
    return Identity(
        uid=dn.lower(),
        username=_first(read, "uid") or username,
        email=_first(read, "mail"),
        first_name=_first(read, "givenName"),
        last_name=_first(read, "sn"),
        claims={name: list(_all(read, name)) for name in wanted},
    )


def _connect(provider: IdentityProvider, dn: str, password: str) -> Any:
    """Return a bound connection, None if the directory refuses the credentials."""
    url = urlsplit(provider.url)
    host, port = url.hostname or "", url.port or PORTS[url.scheme]
    address = outbound.checked_address(host, port)
    is_tls = url.scheme == "ldaps"
    is_here = address in {"127.0.0.1", "::1"}
    tls = ldap3.Tls(
        validate=ssl.CERT_REQUIRED,
        version=ssl.PROTOCOL_TLS_CLIENT,
        ca_certs_data=provider.certificate or None,
        valid_names=[host],
        sni=host,
    )
    server = ldap3.Server(
        address, port=port, use_ssl=is_tls, tls=tls, get_info=ldap3.NONE, connect_timeout=TIMEOUT_S
    )
    connection = ldap3.Connection(
        server,
        user=dn or None,
        password=password or None,
        receive_timeout=TIMEOUT_S,
        auto_referrals=False,
        raise_exceptions=False,
    )
    connection.open(read_server_info=False)
    if not is_tls and not is_here and not connection.start_tls(read_server_info=False):
        connection.unbind()
        raise DirectoryUnusable("The directory offers no TLS.")
    if not connection.bind(read_server_info=False):
        connection.unbind()
        return None
    return connection


def _all(read: Any, name: str) -> tuple[str, ...]:
    value = read.get(name, ())
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


def _first(read: Any, name: str) -> str:
    return next(iter(_all(read, name)), "")
