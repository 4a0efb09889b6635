"""What an identity provider's word is worth here: who somebody is, and which roles they have. Writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group
from django.db import transaction

from governance.access.models import User
from governance.signin.models import IdentityProvider
from tenants.kernel.errors import DomainError


class IdentityRefused(DomainError):
    """The provider's answer is right, but whom it names may not sign in here."""

    code = "identity-refused"
    status = 403
    title = "This account may not sign in here. Ask an administrator of this tenant."


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a provider says of somebody; `email` is empty unless the provider vouches for it."""

    uid: str
    username: str
    email: str
    first_name: str
    last_name: str
    claims: Mapping[str, Any]


def values_of(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """Return the values of a claim, whether it holds one or many."""
    found = claims.get(name, ()) if name else ()
    many = found if isinstance(found, list | tuple | set | frozenset) else (found,)
    return frozenset(str(value) for value in many if isinstance(value, str | int) and value != "")


def roles_given(mappings: Iterable[tuple[str, int]], values: frozenset[str]) -> tuple[set[int], set[int]]:
    """Return the roles that the values give, and those that a mapping knows but the values do not give."""
    pairs = list(mappings)
    given = {role for value, role in pairs if value in values}
    return given, {role for _, role in pairs} - given


def may_be_added(provider: IdentityProvider, email: str) -> bool:
    """Tell whether somebody unknown is added: the provider says so and vouches for an allowed address."""
    domain = email.rpartition("@")[2].lower()
    return provider.creates_people and bool(domain) and domain in provider.domain_list


def find(provider: IdentityProvider, identity: Identity) -> User | None:
    """Return whom the identity is here, None for somebody unknown; raise IdentityRefused.

    An account with the same e-mail address is somebody else unless the provider may link by e-mail.
    """
    linked = (
        SocialAccount.objects.filter(provider=provider.slug, uid=identity.uid).select_related("user").first()
    )
    if linked is not None:
        return _welcome(linked.user)
    if not identity.email:
        return None
    same = list(User.objects.filter(email__iexact=identity.email)[:2])
    if not same:
        return None
    if len(same) > 1 or not provider.links_by_email:
        raise IdentityRefused
    return _welcome(same[0])


def _welcome(user: Any) -> User:
    if not user.is_active or user.kind != User.Kind.PERSON:
        raise IdentityRefused
    found: User = user
    return found


@transaction.atomic
def apply(provider: IdentityProvider, user: User, claims: Mapping[str, Any]) -> None:
    """Give the person the roles that the mapping names for their groups, and take the mapped others."""
    pairs = provider.mappings.values_list("value", "role_id")
    given, lost = roles_given(pairs, values_of(claims, provider.role_claim))
    held = set(user.groups.values_list("pk", flat=True))
    user.groups.add(*Group.objects.filter(pk__in=given - held))
    user.groups.remove(*Group.objects.filter(pk__in=lost & held))


@transaction.atomic
def sign_in(provider: IdentityProvider, identity: Identity) -> User:
    """Return the person, linked and with their roles; raise IdentityRefused. For providers without pages."""
    user = find(provider, identity)
    if user is None:
        if not may_be_added(provider, identity.email):
            raise IdentityRefused
        if User.objects.filter(username=identity.username).exists():
            raise IdentityRefused
        user = User(
            username=identity.username,
            email=identity.email,
            first_name=identity.first_name[:150],
            last_name=identity.last_name[:150],
        )
        user.set_unusable_password()
        user.save()
    SocialAccount.objects.get_or_create(provider=provider.slug, uid=identity.uid, defaults={"user": user})
    apply(provider, user, identity.claims)
    return user
