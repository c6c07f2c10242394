"""Small charts as SVG made on the server: bars over time, bars by name, and use against a limit.

Each gives safe markup with a title and a description for people who do not see it; the figures
stand beside it as text too, which is the template's. No style, no script: colours are the style
sheet's, by class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 480, 96
GAP = 2
ROW = 26
_FRAME = Markup(
    '<svg class="chart" role="img" viewBox="0 0 {width} {height}" aria-labelledby="{id}-t {id}-d">'
    '<title id="{id}-t">{title}</title><desc id="{id}-d">{told}</desc>{inside}</svg>'
)
_BAR = Markup('<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}"/>')


@dataclass(frozen=True, slots=True)
class Series:
    """Named amounts; `shown` are the amounts as people write them."""

    names: Sequence[str]
    amounts: Sequence[int]
    shown: Sequence[str]

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Every name with its amount, for the table beside the chart."""
        return list(zip(self.names, self.shown, strict=True))


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart with the figures it shows; `told` says the gist in words."""

    title: str
    told: str
    picture: Markup
    series: Series | None


def over_time(id: str, title: str, told: str, series: Series) -> Markup:
    """Upright bars, the highest as high as the chart."""
    most = max(series.amounts, default=0) or 1
    step = WIDTH / max(len(series.amounts), 1)
    bars = [
        _BAR.format(
            kind="bar",
            x=_number(place * step),
            y=_number(HEIGHT - amount / most * (HEIGHT - 1)),
            width=_number(step - GAP),
            height=_number(amount / most * (HEIGHT - 1)),
        )
        for place, amount in enumerate(series.amounts)
        if amount
    ]
    ground = Markup('<path class="axis" d="M0 {0}H{1}"/>').format(HEIGHT - 0.5, WIDTH)
    return _frame(id, title, told, Markup("").join([*bars, ground]), HEIGHT)


def by_name(id: str, title: str, told: str, series: Series, kinds: Sequence[str] = ()) -> Markup:
    """Lying bars with their names and amounts, in the order given; `kinds` are their classes,
    `bar` for all when not given."""
    most = max(series.amounts, default=0) or 1
    rows = []
    for place, (name, amount, shown) in enumerate(
        zip(series.names, series.amounts, series.shown, strict=True)
    ):
        y = place * ROW
        width = max(2.0, amount / most * (WIDTH * 0.5))
        rows.append(
            _BAR.format(
                kind=kinds[place] if kinds else "bar",
                x=WIDTH * 0.38,
                y=y + 5,
                width=_number(width),
                height=ROW - 10,
            )
        )
        rows.append(_text("name", WIDTH * 0.36, y + ROW - 8, name[:22]))
        rows.append(_text("value", WIDTH * 0.39 + width, y + ROW - 8, shown))
    return _frame(id, title, told, Markup("").join(rows), max(ROW, ROW * len(series.names)))


def use(id: str, title: str, told: str, used: int, limit: int) -> Markup:
    """How much of a limit is used; the warnings' 80 and 95 percent colour it."""
    share = used / limit if limit else 1.0
    kind = "bar bad" if share >= 0.95 else "bar warn" if share >= 0.8 else "bar"
    width = _number(min(share, 1.0) * WIDTH)
    inside = _BAR.format(kind="track", x=0, y=0, width=WIDTH, height=16)
    return _frame(
        id, title, told, inside + _BAR.format(kind=kind, x=0, y=0, width=width, height=16), 16
    )


def _frame(id: str, title: str, told: str, inside: Markup, height: int) -> Markup:
    return _FRAME.format(id=id, title=title, told=told, inside=inside, width=WIDTH, height=height)


def _text(kind: str, x: float, y: float, said: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(kind, _number(x), y, said)


def _number(value: float) -> str:
    return f"{value:.1f}"
