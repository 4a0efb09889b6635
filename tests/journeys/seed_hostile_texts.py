"""Store hostile texts wherever an agent, a person or a tool can put text; print the rows' ids as JSON.

Run in `manage.py shell` against the stack of the journeys, in the tenant that no other test writes to.
"""

import json
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from agents.catalog.models import Agent
from agents.runs import operations as runs
from agents.tools.models import Tool
from governance.access.models import User
from governance.types import EffectClass, PolicyRequest, Risk, RunRef, ToolRef, UserRef
from hitl.reviews import operations as reviews
from hitl.reviews.models import Review
from hitl.reviews.types import Channel, DecisionVerb, Response
from tenants.kernel.context import platform_context, tenant_context
from tenants.kernel.models import uuid7
from tenants.tenancy.models import Tenant

corpus = json.loads(Path("tests/journeys/hostile_texts.json").read_text())
stored = [text.replace("\x00", "") for text in corpus]
every = "\n".join(stored)
with platform_context():
    globex = Tenant.objects.get(schema_name="globex")
with tenant_context(globex):
    now = timezone.now()
    later = now + timedelta(hours=1)
    agent = Agent.objects.get()
    alice, bob = (User.objects.get(username=name) for name in ("alice", "bob"))
    mallory, _ = User.objects.get_or_create(
        username='"><img src=x onerror=alert(1)>', defaults={"first_name": "<script>alert(1)</script>"}
    )
    tool = Tool.objects.get(name="record_bonus")
    hostile_tool = Tool.objects.filter(name__startswith="<img").first()
    if hostile_tool is None:
        hostile_tool = Tool.objects.create(
            name="<img src=x onerror=alert(1)>",
            description=every[:900],
            risk="high",
            effect="non_idempotent",
            parameters={"type": "object", "properties": {}},
            schema_version="1",
        )
    steps = [
        {"number": 1, "kind": "model", "name": stored[2], "status": "succeeded", "text": every, "calls": stored},
        {
            "number": 2,
            "kind": "tool",
            "name": stored[4],
            "status": "succeeded",
            "arguments": {text: text for text in stored},
            "content": {text: text for text in stored},
        },
        {"number": 3, "kind": "tool", "name": stored[0], "status": "failed", "content": {"error": {"message": every}}},
        {"number": 4, "kind": "person", "name": stored[1], "status": "succeeded", "why": every, "content": {
            "by": stored[2], "answer": "retry", "message": every}},
        {"number": 5, "kind": "tool", "name": stored[5], "status": "waiting", "arguments": {}},
    ]  # fmt: skip
    evidence = {
        "requester": mallory.username,
        "query": every,
        "agent": stored[0],
        "steps": steps,
        "usage": {"input_tokens": 1, "output_tokens": 1},
        "preview": {text: [text] for text in stored},
        "details": every,
        stored[2]: stored[2],
    }
    run = runs.start(
        agent=agent,
        user=alice,
        input={"query": every},
        session_id=str(uuid7()),
        trace_id="0" * 32,
        now=now,
    )

    def request() -> PolicyRequest:
        """Return a call of a hostile tool, about a step of its own."""
        return PolicyRequest(
            tenant="globex",
            user=UserRef(id=mallory.pk, name=mallory.username),
            agent=agent.ref(),
            tool=ToolRef(
                id=tool.pk,
                name=hostile_tool.name,
                risk=Risk.HIGH,
                effect=EffectClass(tool.effect),
                parameters={"required": [stored[0]], "properties": {t: {"description": t} for t in stored}},
                schema_version="1",
                enabled=True,
            ),
            arguments={text: text for text in stored},
            run=RunRef(run_id=str(run.pk), step_id=str(uuid7()), trace_id="0" * 32),
        )

    def outcome() -> Review:
        """Ask whether a hostile call happened."""
        return reviews.ask_outcome(
            request=request(),
            risk=Risk.HIGH,
            required=1,
            message=every,
            evidence=evidence,
            expires_at=later,
            now=now,
        )

    call, decided = outcome(), outcome()
    Review.objects.filter(pk=call.pk).update(
        kind=Review.Kind.TOOL_CALL,
        agent_name=stored[2],
        rule=stored[3][:60],
        facts=[{"code": "x", "message": text, "rule": text} for text in stored],
        arguments={**call.arguments, "another": every},
    )
    for text in stored:
        call.messages.create(author=bob, is_question=True, text=text, at=now)
    answer = Response(
        verb=DecisionVerb.IT_HAPPENED,
        channel=Channel.DASHBOARD,
        message=every,
        version=1,
        digest=decided.digest,
    )
    reviews.respond(review_id=decided.pk, reviewer=bob, response=answer, now=now)
    question = reviews.ask(
        request=request(),
        subject=every,
        details=every,
        options=stored,
        evidence=evidence,
        expires_at=later,
        now=now,
    )
    asked = request()
    handoff = reviews.hand_off(
        run=asked.run,
        user=asked.user,
        agent=asked.agent,
        subject=every,
        evidence=evidence,
        expires_at=later,
        now=now,
    )
    escalation = reviews.escalate(
        by=mallory,
        run=None,
        agent=agent.ref(),
        subject=every[:400],
        details=every,
        priority=Risk.HIGH,
        expires_at=later,
        now=now,
    )
    rows = {
        "call": call.pk,
        "decided": decided.pk,
        "question": question.pk,
        "handoff": handoff.pk,
        "escalation": escalation.pk,
        "run": run.pk,
        "tool": hostile_tool.pk,
        "agent": agent.pk,
    }
    print(json.dumps({name: str(pk) for name, pk in rows.items()}))
