"""Every page in every state is valid HTML that says what it is to a screen reader too."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.web.parts import State
from suppression.choices import InForce

if TYPE_CHECKING:
    from conftest import Gateway

UNSUBSCRIBE, CONFIRM = "/u/" + "a" * 52, "/c/" + "a" * 52
STATES = [
    *(
        (UNSUBSCRIBE, InForce(*flags))
        for flags in ((), (True,), (0, 1), (1, 1), (0, 0, 1), (1, 0, 1))
    ),
    *((CONFIRM, state) for state in State),
    ("/replies/", None),
    ("/replies/UNSUB", None),
    ("/nothing", None),
]
VOID = {"meta", "link", "input", "br"}
PARENTS = {
    "li": {"ul"},
    "option": {"select"},
    "dt": {"div"},
    "dd": {"div"},
    "title": {"head"},
    "main": {"body"},
    "nav": {"body"},
    "footer": {"body"},
}
PHRASING = {"p", "h1", "h2", "label", "button", "a", "span", "code", "dt"}
"""Elements that hold no block."""
BLOCKS = {"p", "h1", "h2", "ul", "dl", "div", "form", "blockquote", "main", "nav", "footer"}


class Checker(HTMLParser):
    """Reads one page and keeps what is wrong with it in `wrong`."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=False)
        self.wrong: list[str] = []
        self.open: list[str] = []
        self.count: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.referred: set[str] = set()
        self.levels: list[int] = []
        self.texts: dict[str, str] = {}
        if not page.startswith("<!doctype html>\n<html lang="):
            self.wrong.append("it does not begin with a doctype and a language")
        self.feed(page)
        self.close()
        self.wrong += [f"<{tag}> is not closed" for tag in self.open]
        self.wrong += [f"the id {name} stands {n} times" for name, n in self.ids.items() if n > 1]
        self.wrong += [f"nothing has the id {name}" for name in self.referred - self.ids.keys()]
        self.wrong += [
            f"<{tag}> stands {self.count[tag]} times"
            for tag in ("title", "h1", "main", "nav", "footer")
            if self.count[tag] != 1
        ]
        self.wrong += [
            f"<h{b}> follows <h{a}>"
            for a, b in zip([0, *self.levels], self.levels, strict=False)
            if b > a + 1
        ]
        self.wrong += [
            f"<{tag}> is empty"
            for tag in ("title", "h1", "a", "button", "label")
            if self.count[tag] and not self.texts.get(tag, "").strip()
        ]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.count[tag] += 1
        if len(given) < len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        if any(value == "" for name, value in attrs if name != "value"):
            self.wrong.append(f"<{tag}> has an empty attribute")
        parent = self.open[-1] if self.open else ""
        if tag in PARENTS and parent not in PARENTS[tag]:
            self.wrong.append(f"<{tag}> stands in <{parent}>")
        if tag in BLOCKS and PHRASING.intersection(self.open):
            self.wrong.append(f"<{tag}> stands within {self.open}")
        if tag in ("a", "button", "select", "input") and {"a", "button"} & set(self.open):
            self.wrong.append(f"<{tag}> stands within something that is pressed")
        if tag == "button" and given.get("type") != "submit":
            self.wrong.append("a button has no type")
        is_named = "id" in given or given.get("type") == "hidden"
        if tag in ("select", "input"):
            if not is_named:
                self.wrong.append(f"<{tag}> has no label")
            elif "id" in given:
                self.referred.add(f"label for {given['id']}")
        if "id" in given:
            self.ids[given["id"] or ""] += 1
        if tag == "label":
            self.ids[f"label for {given['for']}"] += 1
            self.referred.add(given["for"] or "")
        for name in ("aria-describedby", "aria-labelledby"):
            self.referred.update((given.get(name) or "").split())
        if tag in ("h1", "h2", "h3"):
            self.levels.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        if "&" in data or "<" in data:
            self.wrong.append(f"{data!r} is not escaped")
        for tag in self.open:
            self.texts[tag] = self.texts.get(tag, "") + data


@pytest.mark.parametrize("language", ["en", "pl"])
@pytest.mark.parametrize(("path", "state"), STATES)
async def test_a_page_is_valid(
    client: httpx.AsyncClient,
    gateway: Gateway,
    path: str,
    state: InForce | State | None,
    language: str,
) -> None:
    """Balanced and escaped, controls labelled, references that lead somewhere, landmarks, headings
    in order; what is filled in may hold markup."""
    if isinstance(state, State):
        gateway.state = state
    elif state is not None:
        gateway.in_force = state
    response = await client.get(f"{path}?lang={language}")
    assert Checker(response.text).wrong == []
    assert f'<html lang="{language}">' in response.text
    title = response.text.partition("<title>")[2].partition("</title>")[0]
    heading = response.text.partition("<h1")[2].partition("</h1>")[0].partition(">")[2]
    assert title == heading or path.startswith("/replies/")


@pytest.mark.parametrize(
    ("good", "bad", "wrong"),
    [
        ("</main>", "", "is not closed"),
        ('for="why"', 'for="who"', "label for why"),
        ('id="spam-note"', 'id="why"', "the id why stands 2 times"),
        ("<select", "<p><select", "stands within"),
        ("<h1>", "<h3>", "closes nothing"),
        ("&lt;News", "<News", "closes nothing"),
        ('type="submit" name="from" value="list"', 'name="from"', "a button has no type"),
        ("<nav", "<div", "<nav> stands 0 times"),
        ('name="why"', 'name="why" name="who"', "an attribute twice"),
    ],
)
async def test_what_is_wrong_is_found(
    client: httpx.AsyncClient, good: str, bad: str, wrong: str
) -> None:
    """The checker sees each kind of slip in a page that is otherwise right."""
    page = (await client.get(UNSUBSCRIBE)).text
    assert good in page
    assert any(wrong in one for one in Checker(page.replace(good, bad, 1)).wrong)
