"""Small back-ends for the demo tools, in the tenant's schema."""

from django.db import models


class Order(models.Model):
    """An order of Acme's shop, as its staff entered it."""

    order_id = models.CharField(max_length=20, unique=True)
    customer_name = models.CharField(max_length=80)
    customer_email = models.EmailField()
    item = models.CharField(max_length=80)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    currency = models.CharField(max_length=3, default="EUR")
    status = models.CharField(max_length=20)
    ordered_on = models.DateField()

    def __str__(self) -> str:
        return self.order_id


class Refund(models.Model):
    """Money given back."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refunds")
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    reason = models.TextField()
    idempotency_key = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return f"R-{self.pk:04d}"


class Ticket(models.Model):
    """What a customer wrote about an order, in the customer's own words."""

    ticket_id = models.CharField(max_length=20, unique=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="tickets")
    received_on = models.DateField()
    message = models.TextField()

    def __str__(self) -> str:
        return self.ticket_id


class Employee(models.Model):
    """A person who works at Globex."""

    employee_id = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=80)
    email = models.EmailField()
    title = models.CharField(max_length=80)
    department = models.CharField(max_length=80)
    hired_on = models.DateField()
    salary = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3, default="EUR")

    def __str__(self) -> str:
        return self.name


class Bonus(models.Model):
    """A bonus recorded for payment."""

    employee = models.ForeignKey(Employee, on_delete=models.PROTECT, related_name="bonuses")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    reason = models.TextField()
    idempotency_key = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return f"B-{self.pk:04d}"


class SentEmail(models.Model):
    """An e-mail of the demo. It never leaves this table, so it can be taken back at any time."""

    to = models.EmailField()
    subject = models.CharField(max_length=200)
    body = models.TextField()
    is_recalled = models.BooleanField(default=False)
    idempotency_key = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return self.subject


class DeletedAccount(models.Model):
    """A user's account that is gone."""

    username = models.CharField(max_length=150, unique=True)
    deleted_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.username
