"""How sure it is that a request for a run comes from the person themselves."""

from django.http import HttpRequest

from governance.access import stepup


def confirmed(request: HttpRequest) -> bool:
    """Tell whether the person confirmed who they are with this very request.

    Raises WrongPassword, TooManyTries. Only pages ask for it: a token or a key proves nothing anew.
    """
    password = request.POST.get("password", "")
    if not password:
        return False
    stepup.confirm(request.user, password)
    return True
