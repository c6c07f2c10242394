"""The evidence sheet as one HTML file that stands alone: no script, nothing loaded.

Everything filled in is escaped.
"""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.evidence.sheet import Sheet

_TEMPLATES = Environment(
    loader=PackageLoader("gateway.evidence"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def as_html(sheet: Sheet) -> str:
    """The whole page."""
    return _TEMPLATES.get_template("sheet.html").render(sheet=sheet)
