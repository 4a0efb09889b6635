"""Which calls a grant answers for. Pure."""

from governance.types import PolicyRequest, Risk
from hitl.grants.conditions import holds, same, top_names
from hitl.grants.types import Scope, Terms
from hitl.reviews.tiers import is_enough


def may_answer(terms: Terms, request: PolicyRequest, *, risk: str, min_assurance: str) -> bool:
    """Tell whether the giver's vote may be cast on this call without the giver looking at it.

    Never for a critical call, never for more assurance than the giver had, and under untrusted
    influence only for the very arguments that the giver saw.
    """
    if Risk.CRITICAL in (risk, request.tool.risk):
        return False
    if not is_enough(terms.assurance, min_assurance):
        return False
    if request.influence and terms.scope is not Scope.EXACT_ARGS:
        return False
    return describes(terms, request)


def describes(terms: Terms, request: PolicyRequest) -> bool:
    """Tell whether the call is one that the grant speaks of: agent, tool, person and arguments.

    A changed agent or tool is another one. An argument that neither the tool's schema nor a condition
    names is outside every pattern.
    """
    if terms.agent_id != request.agent.id or terms.agent_version != request.agent.version:
        return False
    tool = request.tool
    if (terms.tool_id, terms.tool, terms.schema_version) != (tool.id, tool.name, tool.schema_version):
        return False
    if terms.requester_id not in (None, request.user.id):
        return False
    match terms.scope:
        case Scope.EXACT_ARGS:
            return terms.arguments is not None and same(terms.arguments, request.arguments)
        case Scope.ARGS_PATTERN:
            declared = tool.parameters.get("properties")
            known = top_names(terms.conditions).union(declared if isinstance(declared, dict) else ())
            return (
                bool(terms.conditions)
                and known.issuperset(request.arguments)
                and all(holds(condition, request.arguments) for condition in terms.conditions)
            )
        case Scope.TOOL:
            return True
