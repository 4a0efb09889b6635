"""How sure it is that a request for a run comes from the person themselves."""

from django.http import HttpRequest

from hitl.desk import stepup

PROOFS = ("password", "code", "credential")


def confirmed(request: HttpRequest) -> bool:
    """Tell whether the person confirmed who they are with this very request.

    Raises ProofRefused, TooManyTries. Only pages ask for it: a token or a key proves nothing anew.
    """
    if not any(request.POST.get(name) for name in PROOFS):
        return False
    stepup.confirm(request, request.POST)
    return True
