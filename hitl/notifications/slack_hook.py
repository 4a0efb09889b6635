"""Where Slack reports pressed buttons. No session and no CSRF token: the signature is the proof."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from hitl.notifications import slack_actions
from tenants.kernel import tasks
from tenants.kernel.api import problem
from tenants.kernel.errors import DomainError


@csrf_exempt
@require_POST
def actions(request: HttpRequest) -> HttpResponse:
    """Decide what was pressed and acknowledge; what came of it is said to Slack by a task."""
    now = timezone.now()
    try:
        endpoint = slack_actions.signed_by(request.body, request.headers, now=now)
        press = slack_actions.read(request.POST.get("payload", ""))
    except DomainError as error:
        return problem(error, request)
    if press is not None:
        text, final = slack_actions.act(press, endpoint=endpoint, now=now)
        tasks.enqueue("hitl.answer_slack", response_url=press.response_url, text=text, final=final)
    return HttpResponse()
