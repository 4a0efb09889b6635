"""Globex's tools: look up an employee, calculate a bonus, record it, change a salary. All read its own records."""

from decimal import Decimal
from typing import Annotated, Any

from django.utils import timezone
from pydantic import Field

from agents.demo.models import Bonus, Employee
from agents.demo.support import cents
from agents.tools.base import ToolContext, ToolFailed, tool
from governance.types import EffectClass, Risk


def _employee(**lookup: str) -> Employee:
    employee = Employee.objects.filter(**lookup).first()
    if employee is None:
        raise ToolFailed(f"There is no employee {next(iter(lookup.values()))}.")
    return employee


@tool(risk=Risk.LOW, effect=EffectClass.READ, output_trusted=True)
def lookup_employee(
    name: Annotated[str, Field(description="First and last name", max_length=80)],
) -> dict[str, Any]:
    """Return an employee with title, department, salary and years with the company."""
    employee = _employee(name__iexact=name)
    years = (timezone.now().date() - employee.hired_on).days / 365.25
    return {
        "employee_id": employee.employee_id,
        "name": employee.name,
        "email": employee.email,
        "title": employee.title,
        "department": employee.department,
        "hired_on": employee.hired_on.isoformat(),
        "salary": float(employee.salary),
        "currency": employee.currency,
        "tenure_years": round(years, 1),
    }


@tool(risk=Risk.LOW, effect=EffectClass.READ, output_trusted=True)
def calculate_bonus(
    employee_id: Annotated[str, Field(description="Such as E-2001", max_length=20)],
    percent: Annotated[float, Field(description="Of the yearly salary", gt=0, le=100)],
) -> dict[str, Any]:
    """Return the bonus in money for a percentage of the yearly salary. Changes nothing."""
    employee = _employee(employee_id=employee_id)
    bonus = (employee.salary * Decimal(str(percent)) / 100).quantize(Decimal("0.01"))
    return {
        "employee_id": employee_id,
        "salary": float(employee.salary),
        "percent": percent,
        "bonus": float(bonus),
        "currency": employee.currency,
    }


@tool(risk=Risk.HIGH, effect=EffectClass.NON_IDEMPOTENT, output_trusted=True)
def record_bonus(
    employee_id: Annotated[str, Field(description="Such as E-2001", max_length=20)],
    amount: Annotated[float, Field(description="In the employee's currency", gt=0, le=1_000_000)],
    reason: Annotated[str, Field(min_length=1, max_length=500)],
    context: ToolContext,
) -> dict[str, Any]:
    """Record a bonus for the next payroll. Money leaves the company."""
    employee = _employee(employee_id=employee_id)
    bonus, _ = Bonus.objects.get_or_create(
        idempotency_key=context.idempotency_key,
        defaults={"employee": employee, "amount": cents(amount), "reason": reason},
    )
    return {
        "bonus_id": str(bonus),
        "employee_id": employee_id,
        "amount": float(bonus.amount),
        "currency": employee.currency,
        "status": "recorded",
    }


def _what_a_raise_does(employee_id: str, salary: float) -> dict[str, Any]:
    """Return the salary before and after."""
    employee = _employee(employee_id=employee_id)
    before, after = employee.salary, cents(salary)
    change = (after - before) / before * 100
    return {
        "employee": employee.name,
        "salary_before": float(before),
        "salary_after": float(after),
        "change_percent": round(float(change), 1),
        "currency": employee.currency,
    }


@tool(
    risk=Risk.CRITICAL,
    effect=EffectClass.IDEMPOTENT,
    preview=_what_a_raise_does,
    reversible=True,
    output_trusted=True,
)
def change_salary(
    employee_id: Annotated[str, Field(description="Such as E-2001", max_length=20)],
    salary: Annotated[float, Field(description="Yearly, in the employee's currency", gt=0, le=1_000_000)],
) -> dict[str, Any]:
    """Set an employee's yearly salary. Two people must approve it."""
    employee = _employee(employee_id=employee_id)
    employee.salary = cents(salary)
    employee.save(update_fields=["salary"])
    return {"employee_id": employee_id, "salary": float(employee.salary), "currency": employee.currency}
