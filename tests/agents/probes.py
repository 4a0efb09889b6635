"""Tools that note when they are entered and do what a test tells them to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from agents.tools.base import Happened, ToolContext, ToolFailed, tool
from agents.tools.registry import REGISTRY
from governance.types import EffectClass, Risk


class Crash(BaseException):
    """The worker dies on the spot."""


class Probe:
    """What the tools saw, and what happens while they run."""

    entered: list[tuple[str, ToolContext]] = []
    during: Callable[[], Any] | None = None
    each_time: Callable[[], Any] | None = None
    target_says: Callable[[], Happened] = staticmethod(lambda: Happened.UNKNOWN)
    asked: list[tuple[str, str]] = []
    would: Callable[[], Any] = staticmethod(lambda: "It would do nothing.")
    mail: Any = {"body": "Hello"}
    passed_on: list[Any] = []
    words: Any = ""
    heard: list[str] = []

    @classmethod
    def reset(cls) -> None:
        """Forget everything."""
        cls.entered, cls.asked, cls.during, cls.each_time = [], [], None, None
        cls.mail, cls.passed_on = {"body": "Hello"}, []
        cls.words, cls.heard = "", []
        cls.target_says = staticmethod(lambda: Happened.UNKNOWN)
        cls.would = staticmethod(lambda: "It would do nothing.")

    @classmethod
    def enter(cls, name: str, context: ToolContext) -> dict[str, str]:
        """Note the call, and do what the test wants done meanwhile: `during` once, else `each_time`."""
        cls.entered.append((name, context))
        during, cls.during = cls.during, None
        during = during or cls.each_time
        if during is not None:
            during()
        return {"done": name}

    @classmethod
    def names(cls) -> list[str]:
        """Return the tools that were entered, in order."""
        return [name for name, _ in cls.entered]

    @classmethod
    def keys(cls) -> list[str]:
        """Return the idempotency keys that the calls came with, in order."""
        return [context.idempotency_key for _, context in cls.entered]


def ask_target(context: ToolContext) -> Happened:
    """Say whether the call with this key took effect."""
    Probe.asked.append(("probe", context.idempotency_key))
    return Probe.target_says()


def say_what_it_would_do(context: ToolContext, amount: int = 1) -> Any:
    """Say what the call would do."""
    Probe.asked.append(("preview", context.idempotency_key))
    return Probe.would()


def fails(
    message: str = "It is busy.",
    *,
    transient: bool = True,
    started: bool = True,
    retry_after_s: float | None = None,
) -> Callable[[], None]:
    """Return what makes a tool fail."""

    def fail() -> None:
        raise ToolFailed(message, transient=transient, started=started, retry_after_s=retry_after_s)

    return fail


@tool(risk=Risk.LOW, effect=EffectClass.NON_IDEMPOTENT)
def strike(context: ToolContext) -> dict[str, str]:
    """Do what must not be done twice."""
    return Probe.enter("strike", context)


@tool(risk=Risk.LOW, effect=EffectClass.READ)
def peek(context: ToolContext) -> dict[str, str]:
    """Look, as often as one likes."""
    return Probe.enter("peek", context)


@tool(risk=Risk.CRITICAL, effect=EffectClass.NON_IDEMPOTENT)
def launch(context: ToolContext) -> dict[str, str]:
    """Do what two people must approve."""
    return Probe.enter("launch", context)


@tool(risk=Risk.LOW, effect=EffectClass.IDEMPOTENT, timeout_s=1)
def tap(context: ToolContext) -> dict[str, str]:
    """Do what the same key does once, within a second."""
    return Probe.enter("tap", context)


@tool(risk=Risk.HIGH, effect=EffectClass.IDEMPOTENT)
def seal(context: ToolContext) -> dict[str, str]:
    """Do, once approved, what the same key does once."""
    return Probe.enter("seal", context)


@tool(risk=Risk.LOW, effect=EffectClass.NON_IDEMPOTENT, timeout_s=1, probe=ask_target)
def deliver(context: ToolContext) -> dict[str, str]:
    """Do what must not be done twice, at a target that can be asked."""
    return Probe.enter("deliver", context)


@tool(risk=Risk.HIGH, effect=EffectClass.NON_IDEMPOTENT, preview=say_what_it_would_do)
def offer(context: ToolContext, amount: int = 1) -> dict[str, str]:
    """Do what a person approves after a look at the preview."""
    return Probe.enter("offer", context)


@tool(risk=Risk.LOW, effect=EffectClass.READ, preview=say_what_it_would_do)
def glance(context: ToolContext) -> dict[str, str]:
    """Look without anybody's approval."""
    return Probe.enter("glance", context)


@tool(risk=Risk.LOW, effect=EffectClass.NON_IDEMPOTENT)
def third(context: ToolContext, amount: int = 1) -> dict[str, str]:
    """Do it in the last way there is."""
    return Probe.enter("third", context)


@tool(risk=Risk.LOW, effect=EffectClass.NON_IDEMPOTENT, max_attempts=1, fallback="third")
def second(context: ToolContext, amount: int = 1) -> dict[str, str]:
    """Do it in another way."""
    return Probe.enter("second", context)


@tool(risk=Risk.LOW, effect=EffectClass.NON_IDEMPOTENT, max_attempts=1, fallback="second")
def first(context: ToolContext, amount: int = 1) -> dict[str, str]:
    """Do it in the usual way."""
    return Probe.enter("first", context)


@tool(risk=Risk.LOW, effect=EffectClass.NON_IDEMPOTENT)
def spare(context: ToolContext) -> dict[str, str]:
    """Do what the agent has no right to do."""
    return Probe.enter("spare", context)


@tool(risk=Risk.LOW, effect=EffectClass.READ, output_trusted=True)
def own_record(context: ToolContext) -> dict[str, str]:
    """Look at what nobody outside can write."""
    return Probe.enter("own_record", context)


@tool(risk=Risk.MEDIUM, effect=EffectClass.IDEMPOTENT, reversible=True, output_trusted=True)
def nudge(context: ToolContext) -> dict[str, str]:
    """Do what can be undone."""
    return Probe.enter("nudge", context)


@tool(risk=Risk.LOW, effect=EffectClass.READ)
def inbox(context: ToolContext) -> dict[str, Any]:
    """Read what outsiders write."""
    Probe.enter("inbox", context)
    return {"mail": Probe.mail}


@tool(risk=Risk.HIGH, effect=EffectClass.NON_IDEMPOTENT)
def pass_on(context: ToolContext, value: Any) -> dict[str, str]:
    """Pass something on."""
    Probe.passed_on.append(value)
    return Probe.enter("pass_on", context)


@tool(risk=Risk.LOW, effect=EffectClass.READ, output_trusted=True)
def repeat(context: ToolContext, value: Any) -> dict[str, Any]:
    """Say it again."""
    Probe.enter("repeat", context)
    return {"said": value}


@tool(risk=Risk.LOW, effect=EffectClass.READ)
def outline(context: ToolContext) -> dict[str, Any]:
    """Return what the test wrote down as the text of a result."""
    Probe.enter("outline", context)
    return {"text": Probe.words}


@tool(risk=Risk.LOW, effect=EffectClass.IDEMPOTENT, output_trusted=True)
def speak(context: ToolContext, words: str) -> dict[str, Any]:
    """Hear words, and say those that the test wrote down."""
    Probe.heard.append(words)
    return {**Probe.enter("speak", context), "said": Probe.words}


PROBES = {
    function.__name__: function
    for function in (
        strike,
        peek,
        launch,
        tap,
        seal,
        deliver,
        offer,
        glance,
        third,
        second,
        first,
        spare,
        own_record,
        nudge,
        inbox,
        pass_on,
        repeat,
        outline,
        speak,
    )
}
LENT = frozenset(PROBES) - {"spare"} | {"ask_person", "extract"}


@contextmanager
def installed(agent: Any) -> Iterator[type[Probe]]:
    """Register the tools, and let the agent use them, but for `spare`, as long as its database lives."""
    from agents.catalog.operations import set_tools
    from agents.tools.sync import sync

    for name, function in PROBES.items():
        REGISTRY._paths[name] = f"{__name__}:{name}"
        REGISTRY._loaded[name] = function
    offered = set(agent.tools.values_list("name", flat=True))
    if not offered >= LENT:
        sync()
        set_tools(agent=agent, names={*offered, *LENT})
    Probe.reset()
    try:
        yield Probe
    finally:
        for name in PROBES:
            del REGISTRY._paths[name], REGISTRY._loaded[name]
