"""Send a browser to another host after it has posted a form here."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def leave(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Turn a redirect into a page that goes on by itself.

    `form-action 'self'` in the site's policy holds for the redirects that follow a form, too.
    """
    location = response.headers.get("Location", "")
    if not location.startswith(("https://", "http://")):
        return response
    return render(request, "account/leaving.html", {"target": location})
