"""Index of this app's pages and addresses outside the API."""

from governance.identity.urls import urlpatterns as identity
from governance.signin.urls import urlpatterns as signin

urlpatterns = [*signin, *identity]

__all__ = ["urlpatterns"]
