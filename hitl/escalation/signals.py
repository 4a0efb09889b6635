"""What an escalation asks of what stands above: sent in its transaction, arguments `review` and `now`."""

from django.dispatch import Signal

agent_to_pause = Signal()
"""Nobody decided, and the policy says that the review's agent is to stop."""

run_to_cancel = Signal()
"""Nobody decided, and the policy says that the review's run is to end. The review has expired already."""
