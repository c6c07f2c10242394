"""*Tenants* and *Tenant*: limits and use, domains and their DNS, ladders, and all on record.

The DNS is asked for when the page is there: by script as a fragment, else behind a link, so that no
page waits for a name server. Nothing is changed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from gateway.config.signers import signers_of
from gateway.config.terms import override
from gateway.errors import ConfigurationError
from gateway.records.blocks import ALL_TENANTS, list_blocks
from gateway.records.tenant_figures import has_cases, running_cases
from gateway.web.desk import charts, rates
from gateway.web.desk.case_page import in_language, money
from gateway.web.desk.charts import Drawing, Series
from gateway.web.desk.gate import Anyone
from gateway.web.desk.pages import Problem, language_of, page
from gateway.web.desk.parts import Parts
from gateway.web.desk.sanction_words import WORDS
from gateway.web.desk.tenant_show import Shown, asked, show
from gateway.web.desk.tenant_texts import TEXTS as OWN

routes = APIRouter()
TEXTS = {language: {**WORDS[language], **OWN[language]} for language in OWN}
DOMAINS = 20
"""Asked about at a time."""
_UNITS = ("B", "kB", "MB", "GB", "TB")


@routes.get("/tenants")
async def tenants_page(request: Request, parts: Parts, _who: Anyone) -> Response:
    """Every configured tenant, with what runs against it."""
    with parts.database.reading() as connection:
        running = running_cases(connection)
        blocked = {block.tenant for block in list_blocks(connection)}
    return page(
        request, "tenants", TEXTS, found=[parts.tenants[name] for name in sorted(parts.tenants)],
        gone=sorted(running.keys() - parts.tenants.keys()), running=running,
        blocked=set(parts.tenants) if ALL_TENANTS in blocked else blocked,
    )  # fmt: skip


@routes.get("/tenants/{name}")
async def tenant_page(request: Request, name: str, parts: Parts, who: Anyone) -> Response:
    """Everything about one tenant but its DNS."""
    live = await asked(parts, name)
    language = language_of(request)

    def read() -> Shown:
        with parts.database.reading() as connection:
            if name not in parts.tenants and not has_cases(connection, name):
                raise Problem(HTTPStatus.NOT_FOUND, TEXTS[language]["no_such_tenant"])
            return show(connection, parts, name, ZoneInfo(who.zone), live)

    shown = await asyncio.to_thread(read)
    drawn = drawings(shown, language)
    return page(
        request, "tenant", TEXTS, shown=shown, settings=shown.settings, money=money, size=size,
        said=lambda texts: in_language(texts, language), drawn=drawn,
        rates_drawn=rates.drawings(shown.rates_by, OWN[language]), percent=rates.percent,
        limits_of=lambda stream: override(shown.limits, stream.limits),
    )  # fmt: skip


@routes.get("/tenants/{name}/dns")
async def dns(request: Request, name: str, parts: Parts, _who: Anyone) -> Response:
    """What the DNS says of the tenant's sender domains: a page, or a part of one for script."""
    settings = parts.tenants.get(name)
    if settings is None:
        raise Problem(HTTPStatus.NOT_FOUND, TEXTS[language_of(request)]["no_such_tenant"])
    wanted = request.query_params.get("from", "0")
    first = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 7 else 0
    domains = sorted(settings.domains)
    try:
        signers = signers_of({name: settings})
    except ConfigurationError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None
    # One after the other: each asks for all of its records at once.
    states = [
        await parts.sender_dns.state(domain, signers[domain])
        for domain in domains[first : first + DOMAINS]
    ]
    is_part = "hx-request" in request.headers
    template = "tenant_dns_part" if is_part else "tenant_dns"
    more = first + DOMAINS if first + DOMAINS < len(domains) else None
    # A part is put into the tenant's own page, whose links begin one level further up.
    return page(
        request, template, TEXTS, name=name, states=states, level=3 if is_part else 2,
        more=f"{'../' if is_part else '../../'}tenants/{name}/dns?from={more}" if more else "",
    )  # fmt: skip


def size(octets: int) -> str:
    """Octets in the decimal unit that people read best: `1.2 GB`."""
    amount, unit = float(octets), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit else f"{octets} B"


def drawings(shown: Shown, language: str) -> dict[str, Drawing]:
    """The page's charts by name."""
    t = OWN[language]
    hours = [f"-{23 - hour} h" for hour in range(24)]
    limit = shown.limits.bytes_per_day
    used = shown.live.octets if shown.live else shown.octets_used
    told = t["use_told"].format(used=size(used), limit=size(limit), share=round(100 * used / limit))
    drawn = {
        "use": Drawing(t["bytes"], told, charts.use("use", t["bytes"], told, used, limit), None),
        "bytes": _timed("bytes", t["bytes_hours"], hours, shown.octets, t, size),
        "recipients": _timed("recipients", t["recipients_hours"], hours, shown.recipients, t, str),
    }
    names = [f"{day:%Y-%m-%d}" for day in shown.days]
    drawn["complaints"] = _timed(
        "complaints", t["complaints_days"], names, shown.complaints, t, str
    )
    if shown.events is not None:
        relayed = shown.events.relayed
        drawn["messages"] = _timed("messages", t["messages_days"], names, relayed, t, str)
        tags = Series(
            [tag for tag, _ in shown.events.refusals],
            [count for _, count in shown.events.refusals],
            [str(count) for _, count in shown.events.refusals],
        )
        told = t["tags_told"].format(count=sum(tags.amounts))
        picture = charts.by_name("refusals", t["refusals"], told, tags)
        drawn["refusals"] = Drawing(t["refusals"], told, picture, tags)
    return drawn


def _timed(
    id: str,
    title: str,
    names: Sequence[str],
    amounts: Sequence[int],
    t: dict[str, str],
    write: Callable[[int], str],
) -> Drawing:
    series = Series(names, amounts, [write(amount) for amount in amounts])
    highest = max(range(len(amounts)), key=lambda place: amounts[place], default=0)
    told = t["time_none"]
    if any(amounts):
        told = t["time_told"].format(
            all=write(sum(amounts)), most=write(amounts[highest]), at=names[highest]
        )
    return Drawing(title, told, charts.over_time(id, title, told, series), series)
