"""How figures are written."""

from django import template

from tenants.templatetags.display import duration, lasted

register = template.Library()
MINUTE = 60


@register.filter
def seconds(value: float | None) -> str:
    """Return a number of seconds in words; a dash where nothing was measured."""
    if value is None:
        return "–"  # noqa: RUF001  # a dash on a page
    return lasted(value * 1000) if value < MINUTE else duration(value)


@register.filter
def unlocalised(value: float) -> str:
    """Return a number as SVG wants it, whatever the language of the page."""
    return f"{value:g}"
