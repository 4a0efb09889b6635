"""Acme's tools: look up an order, read what a customer wrote, refund, write to the customer, take that back.

Orders are the company's own records; a ticket holds what a customer wrote, so its text is not trusted.
"""

from decimal import Decimal
from typing import Annotated, Any

from django.db import transaction
from django.db.models import Sum
from pydantic import EmailStr, Field

from agents.demo.models import Order, Refund, SentEmail, Ticket
from agents.tools.base import ToolContext, ToolFailed, tool
from governance.types import EffectClass, Risk


def _order(order_id: str) -> Order:
    order = Order.objects.filter(order_id=order_id).first()
    if order is None:
        raise ToolFailed(f"There is no order {order_id}.")
    return order


def cents(amount: float) -> Decimal:
    """Return an amount of money; raise ToolFailed for fractions of a cent."""
    money = Decimal(str(amount))
    if money != money.quantize(Decimal("0.01")):
        raise ToolFailed(f"{amount} has more than two decimals.")
    return money


def _refunded(order: Order) -> Decimal:
    return order.refunds.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)


@tool(risk=Risk.LOW, effect=EffectClass.READ, output_trusted=True)
def lookup_order(
    order_id: Annotated[str, Field(description="Such as A-1001", max_length=20)],
) -> dict[str, Any]:
    """Return an order with its customer, total, status and what was refunded so far."""
    order = _order(order_id)
    return {
        "order_id": order.order_id,
        "customer_name": order.customer_name,
        "customer_email": order.customer_email,
        "item": order.item,
        "total": float(order.total),
        "currency": order.currency,
        "status": order.status,
        "ordered_on": order.ordered_on.isoformat(),
        "refunded": float(_refunded(order)),
    }


@tool(risk=Risk.LOW, effect=EffectClass.READ)
def read_ticket(
    ticket_id: Annotated[str, Field(description="Such as T-3001", max_length=20)],
) -> dict[str, Any]:
    """Return what a customer wrote, and about which order."""
    ticket = Ticket.objects.select_related("order").filter(ticket_id=ticket_id).first()
    if ticket is None:
        raise ToolFailed(f"There is no ticket {ticket_id}.")
    return {
        "ticket_id": ticket.ticket_id,
        "order_id": ticket.order.order_id,
        "received_on": ticket.received_on.isoformat(),
        "message": ticket.message,
    }


def _what_a_refund_does(order_id: str, amount: float, reason: str) -> dict[str, Any]:
    """Return the order's money before and after the refund."""
    order = _order(order_id)
    refunded = _refunded(order)
    return {
        "customer": order.customer_name,
        "order_total": float(order.total),
        "refunded_before": float(refunded),
        "refunded_after": float(refunded + cents(amount)),
        "currency": order.currency,
    }


@tool(risk=Risk.HIGH, effect=EffectClass.NON_IDEMPOTENT, preview=_what_a_refund_does, output_trusted=True)
def refund_order(
    order_id: Annotated[str, Field(description="Such as A-1001", max_length=20)],
    amount: Annotated[float, Field(description="In the order's currency", gt=0, le=100_000)],
    reason: Annotated[
        str, Field(description="Why the customer gets money back", min_length=1, max_length=500)
    ],
    context: ToolContext,
) -> dict[str, Any]:
    """Refund part or all of an order to the customer. Money leaves the company."""
    with transaction.atomic():
        order = Order.objects.select_for_update().filter(order_id=order_id).first() or _order(order_id)
        refund = Refund.objects.filter(idempotency_key=context.idempotency_key).first()
        if refund is None:  # else a person let a call that had happened run again: the receipt is the same
            wanted = cents(amount)
            left = order.total - _refunded(order)
            if wanted > left:
                raise ToolFailed(f"Only {left} {order.currency} of order {order_id} can still be refunded.")
            refund = Refund.objects.create(
                order=order, amount=wanted, reason=reason, idempotency_key=context.idempotency_key
            )
    return {
        "refund_id": str(refund),
        "order_id": order_id,
        "amount": float(refund.amount),
        "currency": order.currency,
        "status": "refunded",
    }


def _what_an_email_does(to: str, subject: str, body: str) -> dict[str, Any]:
    """Return whom it reaches, and how it is undone."""
    known = Order.objects.filter(customer_email=to).exists()
    return {
        "recipient": "a customer of ours" if known else "not a customer of ours",
        "undone_by": "recall_email, which takes it out of the outbox again",
    }


@tool(
    risk=Risk.MEDIUM,
    effect=EffectClass.NON_IDEMPOTENT,
    preview=_what_an_email_does,
    reversible=True,
    output_trusted=True,
)
def send_email(
    to: Annotated[EmailStr, Field(description="The recipient's address")],
    subject: Annotated[str, Field(min_length=1, max_length=200)],
    body: Annotated[str, Field(min_length=1, max_length=5000)],
    context: ToolContext,
) -> dict[str, Any]:
    """Send an e-mail from the company's address."""
    mail, _ = SentEmail.objects.get_or_create(
        idempotency_key=context.idempotency_key, defaults={"to": to, "subject": subject, "body": body}
    )
    return {"message_id": f"M-{mail.pk:04d}", "to": to, "status": "sent"}


@tool(risk=Risk.LOW, effect=EffectClass.IDEMPOTENT, output_trusted=True)
def recall_email(
    message_id: Annotated[str, Field(description="Such as M-0001", pattern=r"^M-\d{1,9}$")],
) -> dict[str, Any]:
    """Take an e-mail back: it leaves the outbox unread."""
    if not SentEmail.objects.filter(pk=int(message_id[2:])).update(is_recalled=True):
        raise ToolFailed(f"There is no e-mail {message_id}.")
    return {"message_id": message_id, "status": "recalled"}
