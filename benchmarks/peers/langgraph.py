"""LangGraph with PostgresSaver: a graph of a model node and a tool node, a checkpoint after each of them.

`durability="sync"` writes the checkpoint before the next node starts; the default, "async", does not wait.
"""

import json
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.graph import END, START, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from benchmarks.peers import workload
from benchmarks.peers.workload import Many

PACKAGES = ("langgraph", "langgraph-checkpoint-postgres", "openai")
CONNECTION = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}


class State(TypedDict):
    """The conversation."""

    messages: Annotated[list[dict[str, Any]], operator.add]


@contextmanager
def opened() -> Iterator[Many]:
    """Give the workload."""
    model = workload.client()

    def turn(state: State) -> State:
        return {"messages": [workload.ask(model, state["messages"])]}

    def tools(state: State) -> State:
        return {
            "messages": [
                {
                    "role": "tool",
                    "tool_call_id": call["id"],
                    "content": json.dumps(workload.ping(**json.loads(call["function"]["arguments"]))),
                }
                for call in state["messages"][-1]["tool_calls"]
            ]
        }

    graph = StateGraph(State)
    graph.add_node("turn", turn)
    graph.add_node("tools", tools)
    graph.add_edge(START, "turn")
    graph.add_conditional_edges(
        "turn", lambda state: "tools" if state["messages"][-1].get("tool_calls") else END, ["tools", END]
    )
    graph.add_edge("tools", "turn")
    with ConnectionPool(
        workload.DATABASE_URL, min_size=1, max_size=workload.MAX_AT_ONCE, kwargs=CONNECTION
    ) as pool:
        saver = PostgresSaver(pool)
        saver.setup()
        agent = graph.compile(checkpointer=saver)

        def one() -> None:
            end = agent.invoke(
                {"messages": [{"role": "user", "content": workload.PROMPT}]},
                {"configurable": {"thread_id": workload.new_id()}, "recursion_limit": 100},
                durability="sync",
            )
            calls = sum(message["role"] == "tool" for message in end["messages"])
            workload.require(end["messages"][-1].get("content"), calls)

        with workload.in_threads(one) as many:
            yield many
