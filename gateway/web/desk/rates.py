"""Complaints and bounces among the mail of a tenant, by stream, mailing and sender domain, drawn.

`drawings` gives two charts for each that had mail: bars of the rates, coloured where the `standard`
preset warns or blocks, and none where there was too little mail to speak of a rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gateway.presets import read_preset
from gateway.records.figures import Rate
from gateway.web.desk import charts
from gateway.web.desk.charts import Drawing, Series
from gateway.web.desk.tenant_show import PARTS
from policies.returned.rates import Reading, read_rate
from policies.sanctions.words import FactKind

MOST = 8
"""Bars in a chart: those with the most mail."""
_KINDS = {
    Reading.FEW: "bar",
    Reading.WELL: "bar",
    Reading.WARNED: "bar warn",
    Reading.OVER: "bar bad",
}
_MILLIONTHS = 1_000_000


def drawings(rates_by: Mapping[str, Sequence[Rate]], t: Mapping[str, str]) -> list[Drawing]:
    """The charts, complaints and unknown mailboxes of each part beside each other."""
    drawn = []
    for part in PARTS:
        rates = [rate for rate in rates_by.get(part, ()) if getattr(rate, part)][:MOST]
        if rates:
            names = [str(getattr(rate, part)) for rate in rates]
            drawn += [
                _draw(f"complaint-{part}", names, FactKind.COMPLAINT, _complaints, rates, t),
                _draw(f"bounce-{part}", names, FactKind.HARD_BOUNCE, _hard_bounces, rates, t),
            ]
    return drawn


def percent(part: int, whole: int) -> str:
    """`0.25 %`; a dash without any mail."""
    return f"{100 * part / whole:.2f} %" if whole else "-"


def _complaints(rate: Rate) -> tuple[int, int]:
    return rate.complaints, rate.delivered


def _hard_bounces(rate: Rate) -> tuple[int, int]:
    return rate.hard_bounces, rate.offered


def _draw(
    id: str,
    names: Sequence[str],
    kind: FactKind,
    figures: Callable[[Rate], tuple[int, int]],
    rates: Sequence[Rate],
    t: Mapping[str, str],
) -> Drawing:
    standard = read_preset("standard")
    readings = [read_rate(*figures(rate), kind, standard) for rate in rates]
    amounts, shown = [], []
    for rate, reading in zip(rates, readings, strict=True):
        part, whole = figures(rate)
        is_few = reading is Reading.FEW
        amounts.append(0 if is_few else part * _MILLIONTHS // whole)
        shown.append(t["share_few"] if is_few else percent(part, whole))
    parts, wholes = zip(*(figures(rate) for rate in rates), strict=True)
    told = t["share_told"].format(part=sum(parts), whole=sum(wholes))
    title = t[f"share_{id.replace('-', '_')}"]
    series = Series(names, amounts, shown)
    kinds = [_KINDS[reading] for reading in readings]
    return Drawing(title, told, charts.by_name(id, title, told, series, kinds), series)
