"""Addresses of a tenant as an authorization server."""

from django.urls import path

from governance.identity.api import KeySetView, MetadataView, TokenView

urlpatterns = [
    path("oauth/token", TokenView.as_view(), name="oauth-token"),
    path(".well-known/jwks.json", KeySetView.as_view(), name="jwks"),
    path(".well-known/oauth-authorization-server", MetadataView.as_view(), name="oauth-metadata"),
]
