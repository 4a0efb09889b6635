"""Index of this app's pages."""

from governance.metering.urls import urlpatterns as metering
from governance.signin.urls import urlpatterns as signin

urlpatterns = [*signin, *metering]
