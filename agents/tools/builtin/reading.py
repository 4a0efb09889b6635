"""Ask a closed question about a withheld result."""

from typing import Annotated, Literal

from pydantic import Field

from agents.tools.base import ToolFailed, tool
from agents.tools.builtin.people import Option
from governance.types import EffectClass, Risk


@tool(risk=Risk.LOW, effect=EffectClass.READ, output_trusted=True, asks_model=True)
def extract(
    handle: Annotated[str, Field(description="The result to ask about, such as $3", pattern=r"^\$\d{1,6}$")],
    question: Annotated[str, Field(description="What you need to know", min_length=1, max_length=500)],
    kind: Annotated[
        Literal["choice", "number", "yes_no", "date"], Field(description="What the answer must be")
    ],
    options: Annotated[
        list[Option] | None, Field(description="The answers to choose from, for a choice", max_length=20)
    ] = None,
) -> dict[str, str]:
    """Ask a closed question about a result that is withheld from you. Another model reads it and answers."""
    raise ToolFailed("Only a model without tools answers this.", started=False)
