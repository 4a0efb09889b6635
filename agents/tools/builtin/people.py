"""Ask a person."""

from typing import Annotated

from pydantic import Field

from agents.tools.base import ToolFailed, tool
from governance.types import EffectClass, Risk

Option = Annotated[str, Field(min_length=1, max_length=200)]


@tool(risk=Risk.LOW, effect=EffectClass.READ, output_trusted=True, asks_person=True)
def ask_person(
    question: Annotated[
        str, Field(description="What you need to know, in full sentences", min_length=1, max_length=2000)
    ],
    details: Annotated[str, Field(description="What the person should know to answer", max_length=4000)] = "",
    options: Annotated[
        list[Option] | None, Field(description="Answers to choose from, if you know them", max_length=10)
    ] = None,
) -> dict[str, str]:
    """Ask a person of the company a question and wait for the answer. Use it when only a person can know."""
    raise ToolFailed("Only a person answers this.", started=False)
