"""Acme's tools: look up an order, refund it, write to the customer."""

from decimal import Decimal
from typing import Annotated, Any

from django.db import transaction
from django.db.models import Sum
from pydantic import EmailStr, Field

from agents.demo.models import Order, Refund, SentEmail
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


@tool(risk=Risk.LOW, effect=EffectClass.READ)
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


@tool(risk=Risk.HIGH, effect=EffectClass.NON_IDEMPOTENT, preview=_what_a_refund_does)
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


@tool(risk=Risk.MEDIUM, effect=EffectClass.NON_IDEMPOTENT)
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
