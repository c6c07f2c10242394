"""Why a case or a report refuses something, in the reader's language.

`told` takes the reason as the engine and the records say it, in English, and gives it in Polish
where that is asked for; a reason that has no Polish yet stays as it is. Pure; raises nothing.
"""

from __future__ import annotations

import re

from gateway.web.desk.sanction_words import WORDS

_POLISH = {
    "give a reason": "podaj powód",
    "this case asks for nothing now": "ta sprawa niczego teraz nie wymaga",
    "(?P<need>.+) is not asked for here": "tego tu nie wymagano: {need}",
    "give an instant in the future": "podaj termin w przyszłości",
    "a deadline only moves later": "termin można przesunąć tylko na później",
    "this contract has no hourly rate": "ta umowa nie ma stawki godzinowej",
    "give the minutes of work, 1 or more": "podaj liczbę minut pracy, co najmniej 1",
    "this case has no fee (?P<name>.+)": "ta sprawa nie ma opłaty {name}",
    "fee (?P<name>.+) is (?P<fee>.+)": "opłata {name}: {fee}",
    "the service was ended by a case; reopen the case": "usługę zakończyła sprawa; otwórz ją "
    "ponownie",
    "it is from before there were ladders; only its blocks can be lifted": "sprawa jest sprzed "
    "wprowadzenia drabin sankcji; można tylko zdjąć jej blokady",
    "(?P<name>.+) takes what this mailing brings by now": "to, co przynosi ta wysyłka, "
    "przejęła już sprawa {name}",
    "no ladder of the policy (?P<name>.+) takes (?P<fact>.+)": "żadna drabina sankcji w polityce "
    "{name} nie obejmuje tego zdarzenia: {fact}",
    "a person decides this": "o tym decyduje człowiek",
    "not while the case is (?P<phase>.+)": "nie w tym stanie sprawy: {phase}",
    "not in a case of this kind": "nie w sprawie tego rodzaju",
    "an answer is waiting to be looked at already": "odpowiedź już czeka na sprawdzenie",
    "still open: (?P<needs>.+)": "nadal brakuje: {needs}",
    "nothing is open": "niczego nie brakuje",
    "its domains are blocked already": "jej domeny są już zablokowane",
    "it names no domain to block": "nie wymienia żadnej domeny do zablokowania",
    "it has no fee for that": "nie ma opłaty, której można to zrobić",
    "it is stopped already": "jest już wstrzymana",
    "it is not stopped": "nie jest wstrzymana",
    "no person ended it, or an appeal did": "nie zakończył jej człowiek albo rozstrzygnęło ją "
    "odwołanie",
    "only legal requests are approved": "zatwierdza się tylko żądania organów",
    "a second person approves": "zatwierdza druga osoba",
    "(?P<name>.+) leads to no termination": "{name} nie prowadzi do wypowiedzenia",
    "its longest clock has not run out": "jej najdłuższy termin jeszcze nie minął",
    "(?P<name>.+) proposed it already": "już to proponuje {name}",
    "nobody has proposed it": "nikt tego nie zaproponował",
    "another person than who proposed it confirms": "potwierdza inna osoba niż ta, która "
    "zaproponowała",
    "an appeal is open; decide it first": "jest otwarte odwołanie; najpierw je rozstrzygnij",
    "an appeal is open already": "odwołanie jest już otwarte",
    "there is nothing to appeal against": "nie ma się od czego odwoływać",
    "there is no appeal": "nie ma odwołania",
    "somebody else than its authors decides": "rozstrzyga ktoś inny niż autorzy sankcji",
    "report (?P<name>.+) was (?P<state>.+) by (?P<who>.+)": "skargę {name} rozstrzygnięto już "
    "wcześniej ({who})",
    "there is no tenant (?P<name>.*); name one that the mail was of": "nie ma klienta {name}; "
    "wskaż tego, od którego była wiadomość",
    "report (?P<name>.+) is nobody's yet; match it to a tenant first": "skarga {name} nie jest "
    "jeszcze niczyja; najpierw przypisz ją do klienta",
    "report (?P<name>.+) is no complaint; it can only be dismissed": "zgłoszenie {name} nie jest "
    "skargą; można je tylko oddalić",
    "report (?P<name>.+) counts this complaint already": "tę skargę zalicza już zgłoszenie {name}",
}
"""By the whole English reason; groups named as words of `sanction_words` are put into Polish."""


def told(reason: str, language: str) -> str:
    """`reason` in that language."""
    if language != "pl":
        return reason
    for pattern, polish in _POLISH.items():
        if found := re.fullmatch(pattern, reason):
            return polish.format(**{n: _word(n, said) for n, said in found.groupdict().items()})
    return reason


def _word(group: str, said: str) -> str:
    words = WORDS["pl"]
    if group == "needs":
        return ", ".join(words.get(f"need_{one}", one) for one in said.split(", "))
    return words.get(f"{group}_{said}", said)
