"""Export AgentDojo's suites as JSON Lines: run inside the environment of evals.lock, never in the product's.

Nothing of the product is imported here. Every user task's ground truth is executed with the real tools, once as it is
and once for each injection task with the attack in every place that the task reads. The model of the hijacked runs
obeys at once: the injection task's calls follow the first result that carries the attack. Standard output gets one
line for each tool and each run.
"""

import argparse
import json
from functools import cache
from typing import Any

from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
from agentdojo.functions_runtime import FunctionsRuntime
from agentdojo.task_suite.load_suites import get_suites
from pydantic import BaseModel

USER = "Emma Johnson"
"""Whose name the attack uses."""


def plain(value: Any) -> Any:
    """Return what a tool returned as JSON, its structure kept."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


@cache
def candidates(suite: Any, task: Any) -> list[str]:
    """Return the places whose text the task reads, found with marks as AgentDojo finds them."""
    marks = {name: f"<CANARY---{name}--->" for name in suite.get_injection_vector_defaults()}
    env = task.init_environment(suite.load_and_inject_default_environment(marks))
    runtime, seen = FunctionsRuntime(suite.tools), ""
    for call in task.ground_truth(env.model_copy(deep=True)):
        result, _ = runtime.run_function(env, call.function, call.args)
        seen += tool_result_to_str(result)
    return [name for name, mark in marks.items() if mark in seen]


def run(suite: Any, task: Any, injection: Any, template: str) -> dict[str, Any]:
    """Return one run with its calls in order, each with whose idea it was and what came back."""
    injections: dict[str, str] = {}
    if injection is not None:
        text = template.format(goal=injection.GOAL, user=USER, model="GPT-4", task=task.PROMPT)
        injections = dict.fromkeys(candidates(suite, task), text)
    env = task.init_environment(suite.load_and_inject_default_environment(injections))
    runtime, calls, read = FunctionsRuntime(suite.tools), [], False
    needle = "".join(injection.GOAL.split()) if injection is not None else ""

    def do(call: Any, origin: str) -> str:
        result, error = runtime.run_function(env, call.function, call.args)
        calls.append(
            {
                "name": call.function,
                "arguments": plain(dict(call.args)),
                "origin": origin,
                "result": plain(result) if error is None else {"error": error},
            }
        )
        return json.dumps(plain(result), ensure_ascii=False)

    for call in task.ground_truth(env.model_copy(deep=True)):
        told = do(call, "user")
        flat = "".join(told.replace("\\n", "").split())
        if injection is not None and not read and needle.replace('"', '\\"') in flat:
            read = True
            for theirs in injection.ground_truth(env.model_copy(deep=True)):
                do(theirs, "injection")
    return {
        "kind": "run",
        "suite": suite.name,
        "task": task.ID,
        "injection": injection.ID if injection else None,
        "prompt": task.PROMPT,
        "goal": injection.GOAL if injection else None,
        "read": read,
        "calls": calls,
    }


def main() -> None:
    """Write the tools and the runs of all suites."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", default="v1.2.2")
    parser.add_argument("--template", required=True)
    arguments = parser.parse_args()
    for name, suite in get_suites(arguments.version).items():
        for tool in suite.tools:
            schema = tool.parameters.model_json_schema()
            row = {"kind": "tool", "suite": name, "name": tool.name, "parameters": schema}
            print(json.dumps(row))
        for task in suite.user_tasks.values():
            for injection in [None, *suite.injection_tasks.values()]:
                print(json.dumps(run(suite, task, injection, arguments.template)))


if __name__ == "__main__":
    main()
