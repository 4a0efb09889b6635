"""What a channel is: one file under channels/, one line in the registry."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from hitl.notifications.types import Message, Target
from tenants.kernel import outbound
from tenants.kernel.errors import DomainError, InvalidInput
from tenants.kernel.jsonvalues import JsonObject

TIMEOUT_S = 20.0
MAX_ANSWER = 64 * 1024
MAX_SETTING = 4096
GONE, TOO_MANY, TIMED_OUT, TOO_EARLY = 410, 429, 408, 425


class SendFailed(DomainError):
    """A message did not go out.

    `permanent`: another try of this message is useless. `disables`: so is anything else sent there.
    """

    code = "send-failed"
    status = 502

    def __init__(
        self,
        detail: str,
        *,
        permanent: bool = False,
        disables: bool = False,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(detail)
        self.permanent, self.disables, self.retry_after_s = permanent or disables, disables, retry_after_s


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One thing that an admin fills in for an endpoint. A secret one is never shown again.

    `sent_to` names the setting with the URL that a secret is sent to: with another URL the secret is asked
    for again, or whoever may change the URL would read it there.
    """

    name: str
    label: str
    help: str = ""
    secret: bool = False
    required: bool = True
    default: str = ""
    is_url: bool = False
    sent_to: str = ""


class Channel(ABC):
    """A way to reach people or programs.

    `personal`: a person may have it as a contact. `tenant_wide`: an endpoint of the tenant may be one.
    `resolves`: it is told when a review that it was told of is decided.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    personal: ClassVar[bool] = False
    tenant_wide: ClassVar[bool] = False
    resolves: ClassVar[bool] = False
    settings: ClassVar[Sequence[Setting]] = ()
    schedule: ClassVar[Sequence[int]] = ()

    @abstractmethod
    def send(self, message: Message, target: Target) -> str:
        """Send one message and return what names it there, if anything; raise SendFailed.

        Called with no transaction open. It may be called again for the same `message.id`.
        """

    def check_address(self, address: str) -> str:
        """Return a person's address in its one form; raise InvalidInput."""
        raise InvalidInput(f"{self.label} has no personal addresses.")

    def check(self, config: Mapping[str, str]) -> dict[str, str]:
        """Return the settings of an endpoint, complete; raise InvalidInput naming what to mend."""
        known = {setting.name: setting for setting in self.settings}
        problems = [
            {"at": f"/config/{name}", "message": f"{self.label} has no setting of this name."}
            for name in config
            if name not in known
        ]
        cleaned = {}
        for name, setting in known.items():
            value = str(config.get(name) or setting.default).strip()
            problems += [{"at": f"/config/{name}", "message": said} for said in _problems(setting, value)]
            if value:
                cleaned[name] = value
        if problems:
            raise InvalidInput("The endpoint's settings are not valid.", errors=problems)
        return cleaned

    def describe(self, config: Mapping[str, str]) -> str:
        """Return where it leads in words that give no secret away."""
        return self.label


def _problems(setting: Setting, value: str) -> list[str]:
    if not value:
        return ["This is required."] if setting.required else []
    if len(value) > MAX_SETTING or not value.replace("\n", "").replace("\r", "").isprintable():
        return ["It is too long, or holds characters that cannot be sent."]
    if setting.is_url:
        try:
            outbound.check_url(value)
        except outbound.OutboundRefused as error:
            return [error.detail]
    return []


def refused(at: str, message: str) -> InvalidInput:
    """Return the error for one setting of an endpoint."""
    return InvalidInput(message, errors=[{"at": f"/config/{at}", "message": message}])


def host_of(url: str) -> str:
    """Return the host of a URL, whose path may be a secret."""
    return str(outbound.check_url(url).host)


def post(
    url: str,
    *,
    json: JsonObject | None = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> outbound.Answer:
    """POST through the guarded client; return an answer of success, raise SendFailed for every other.

    429, 408, 425, 5xx and a lost connection may be tried again; 410 disables what was asked; every
    other answer, a redirect too, is final for the message.
    """
    try:
        answer = outbound.request(
            "POST",
            url,
            json=json,
            content=content,
            headers=headers,
            timeout_s=TIMEOUT_S,
            max_bytes=MAX_ANSWER,
        )
    except outbound.OutboundRefused as error:
        raise SendFailed(error.detail, permanent=True) from error
    except outbound.ResponseRefused as error:
        raise SendFailed(error.detail) from error
    except outbound.OutboundError as error:
        raise SendFailed(error.detail) from error
    if 200 <= answer.status < 300:  # noqa: PLR2004  # success in HTTP
        return answer
    raise failure(answer)


def failure(answer: outbound.Answer) -> SendFailed:
    """Return what an HTTP answer other than success means. Its body is not repeated: it may echo secrets."""
    said = f"It answered {answer.status}."
    if answer.status == GONE:
        return SendFailed("It answered 410: gone for good.", disables=True)
    transient = answer.status >= 500 or answer.status in {TOO_MANY, TIMED_OUT, TOO_EARLY}  # noqa: PLR2004
    return SendFailed(said, permanent=not transient, retry_after_s=_retry_after(answer))


def _retry_after(answer: outbound.Answer) -> float:
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0
