"""How costs are written."""

from django import template

from governance.metering.words import dollars as in_dollars

register = template.Library()


@register.filter
def dollars(micros: int) -> str:
    """Return micro-dollars as dollars."""
    return in_dollars(micros)


@register.filter
def thousands(number: int) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,}"
