"""The report for people: one HTML page that stands alone, or plain text; in English or Polish.

Takes a `SubjectReport`. The page has no script and loads nothing, so it can be mailed, printed and
kept; everything filled in is escaped. `as_text` is for a terminal or a letter: nothing unprintable
gets through.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime

from jinja2 import Environment, StrictUndefined
from pydantic import BaseModel

from gateway.explanation import show
from gateway.privacy.labels import FIELDS, NOTES, SECTION_TITLES, TEXTS, VALUES
from gateway.privacy.report import SECTIONS, SubjectReport

LANGUAGES = tuple(TEXTS)

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;"
    "color:#1a1a1a;background:#fff}h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}"
    "dl{border-top:1px solid #767676;padding-top:.5rem;margin:0 0 1rem;display:grid;"
    "grid-template-columns:minmax(5rem,35%) 1fr;gap:.2rem 1rem}dt{color:#555}"
    "dd{margin:0;overflow-wrap:anywhere;white-space:pre-wrap}code{overflow-wrap:anywhere}"
)
_PAGE = """\
<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{ t.title }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
<h1>{{ t.title }}</h1>
<p>{{ t.intro }}</p>
<dl>
{% for name, value in head %}
<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}
</dl>
{% for title, rows in sections %}
<section>
<h2>{{ title }}</h2>
{% for row in rows %}
<dl>
{% for name, value in row %}
<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}
</dl>
{% else %}
<p>{{ t.none }}</p>
{% endfor %}
</section>
{% endfor %}
<section>
<h2>{{ t.notes }}</h2>
<ul>
{% for note in notes %}
<li>{{ note }}</li>
{% endfor %}
</ul>
<p>{{ t.keys }}: <code>{{ keys }}</code></p>
<p>{{ t.rights }}</p>
</section>
</main>
</body>
</html>
"""
_TEMPLATE = Environment(
    autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
).from_string(_PAGE)

_Pair = tuple[str, str]


def as_html(report: SubjectReport, language: str) -> str:
    """The report as one page."""
    return _TEMPLATE.render(
        language=language,
        style=_STYLE,
        t=TEXTS[language],
        head=_head(report, language),
        sections=list(_sections(report, language)),
        notes=[NOTES[language][note] for note in report.notes],
        keys=" ".join(report.keys),
    )


def as_text(report: SubjectReport, language: str) -> str:
    """The report as plain text."""
    texts = TEXTS[language]
    lines = [texts["title"], "=" * len(texts["title"]), "", texts["intro"], ""]
    lines += [f"{name}: {show(value)}" for name, value in _head(report, language)]
    for title, rows in _sections(report, language):
        lines += ["", title, "-" * len(title)]
        lines += [] if rows else [texts["none"]]
        for row in rows:
            lines += ["", *(f"  {name}: {_indented(value)}" for name, value in row)]
    lines += ["", texts["notes"], "-" * len(texts["notes"])]
    lines += [f"* {NOTES[language][note]}" for note in report.notes]
    lines += ["", f"{texts['keys']}: {' '.join(report.keys)}", "", texts["rights"]]
    return "\n".join(lines) + "\n"


def _head(report: SubjectReport, language: str) -> list[_Pair]:
    texts = TEXTS[language]
    return [
        (texts["address"], report.address),
        (texts["made_at"], _value(report.made_at, language)),
        (texts["tenant"], report.tenant or texts["everyone"]),
    ]


def _sections(report: SubjectReport, language: str) -> Iterator[tuple[str, list[list[_Pair]]]]:
    for name in SECTIONS:
        rows = [_row(item, language) for item in getattr(report, name)]
        yield SECTION_TITLES[language][name], rows


def _row(item: BaseModel, language: str) -> list[_Pair]:
    """What an item says, without what is empty."""
    fields = FIELDS[language]
    values = ((name, getattr(item, name)) for name in type(item).model_fields)
    words = VALUES[language]
    return [
        (fields[name], words.get(name, {}).get(str(value)) or _value(value, language))
        for name, value in values
        if value is not None and value != "" and value != []
    ]


def _value(value: object, language: str) -> str:
    match value:
        case bool():
            return TEXTS[language]["yes" if value else "no"]
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%SZ")
        case list():
            return "\n".join(_step(step, language) for step in value)
        case _:
            return str(value)


def _step(step: BaseModel, language: str) -> str:
    """A step of a proof in one line."""
    told = step.model_dump()
    words = [_value(told["at"], language), str(told["status"])]
    for name, label in (("facts", "facts_of_step"), ("personal", "personal")):
        if isinstance(told[name], Mapping) and told[name]:
            words.append(f"{TEXTS[language][label]}: {json.dumps(told[name], ensure_ascii=False)}")
    return "; ".join(words)


def _indented(value: str) -> str:
    return "\n    ".join(show(line) for line in value.splitlines())
