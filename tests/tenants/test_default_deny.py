"""A view that declares no permission lets nobody in."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from tenants.kernel.api import DenyUnlessGranted


class Person:
    """Somebody signed in who holds some rights."""

    is_authenticated = True

    def __init__(self, *rights: str) -> None:
        self.rights = rights

    def has_perm(self, right: str) -> bool:
        """Tell whether the right is held."""
        return right in self.rights


def allowed(view: Any, user: Any, method: str = "GET") -> bool:
    request: Any = SimpleNamespace(user=user, method=method)
    return DenyUnlessGranted().has_permission(request, view)


READ_ONLY = SimpleNamespace(required_permission={"GET": "x.view", "POST": "x.add"})


class TestDenyUnlessGranted:
    def test_lets_nobody_in_where_nothing_is_declared(self) -> None:
        for view in (
            SimpleNamespace(),
            SimpleNamespace(required_permission=None),
            SimpleNamespace(required_permission={}),
        ):
            assert not allowed(view, Person("x.view", "x.add"))

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "get", "PROPFIND"])
    def test_lets_nobody_in_by_a_method_that_is_not_declared(self, method: str) -> None:
        assert not allowed(READ_ONLY, Person("x.view", "x.add"), method)

    @pytest.mark.parametrize(
        ("method", "right"), [("GET", "x.view"), ("HEAD", "x.view"), ("OPTIONS", "x.view"), ("POST", "x.add")]
    )
    def test_asks_for_the_right_of_the_method(self, method: str, right: str) -> None:
        assert allowed(READ_ONLY, Person(right), method)
        assert not allowed(READ_ONLY, Person("x.change"), method)

    def test_lets_anybody_signed_in_where_no_right_is_asked(self) -> None:
        view = SimpleNamespace(required_permission="")
        assert allowed(view, Person())
        assert not allowed(view, AnonymousUser())

    def test_lets_nobody_in_who_is_not_signed_in(self) -> None:
        assert not allowed(SimpleNamespace(required_permission="x.view"), AnonymousUser())

    def test_is_what_every_view_uses_that_says_nothing_else(self, settings: Any) -> None:
        assert settings.REST_FRAMEWORK["DEFAULT_PERMISSION_CLASSES"] == [
            "tenants.kernel.api.DenyUnlessGranted"
        ]
