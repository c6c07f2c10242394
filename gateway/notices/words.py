"""The single words of notices by language: facts, things to do, subjects. Sentences are templates.

Each language has every word. `requirement` also names one that only an operator's own preset has.
"""

from __future__ import annotations

from policies.sanctions.case import FeeState
from policies.sanctions.words import FactKind, NoticeKind

LANGUAGES = ("en", "pl")

FACTS: dict[str, dict[FactKind, str]] = {
    "en": {
        FactKind.PROTECTED_HIT: "mail to protected addresses",
        FactKind.BATCH_DEFIANCE: "a further connection although one batch was open",
        FactKind.COMPLAINT: "complaints of recipients",
        FactKind.COMPLAINT_IGNORED: "mail to addresses that had complained",
        FactKind.HARD_BOUNCE: "mail to mailboxes that do not exist",
        FactKind.SPAM: "unsolicited mail",
        FactKind.COPYRIGHT: "a claim of copyright",
        FactKind.OPEN_RELAY: "an open relay",
        FactKind.COMPROMISED: "a compromised system or login",
        FactKind.ZERO_TOLERANCE: "content that is tolerated under no circumstances",
        FactKind.OVERUSE: "use beyond what the service allows",
        FactKind.ILLEGAL: "a credible notice of illegal content",
        FactKind.DANGER: "a danger to the network or to others",
        FactKind.ADVERTISED: "spam sent elsewhere for what is hosted here",
        FactKind.INSTRUCTION: "an instruction of ours",
        FactKind.EMERGENCY: "an emergency",
        FactKind.LEGAL_REQUEST: "a request of an authority",
        FactKind.GRIEVANCE: "your complaint",
    },
    "pl": {
        FactKind.PROTECTED_HIT: "poczta do adresów chronionych",
        FactKind.BATCH_DEFIANCE: "kolejne połączenie mimo otwartej paczki",
        FactKind.COMPLAINT: "skargi odbiorców",
        FactKind.COMPLAINT_IGNORED: "poczta do adresów, które złożyły skargę",
        FactKind.HARD_BOUNCE: "poczta do nieistniejących skrzynek",
        FactKind.SPAM: "poczta niezamówiona",
        FactKind.COPYRIGHT: "zgłoszenie naruszenia praw autorskich",
        FactKind.OPEN_RELAY: "otwarty przekaźnik (open relay)",
        FactKind.COMPROMISED: "przejęty system lub login",
        FactKind.ZERO_TOLERANCE: "treści, których nie tolerujemy w żadnym przypadku",
        FactKind.OVERUSE: "użycie ponad to, na co pozwala usługa",
        FactKind.ILLEGAL: "wiarygodne zawiadomienie o treściach bezprawnych",
        FactKind.DANGER: "zagrożenie dla sieci lub innych osób",
        FactKind.ADVERTISED: "spam wysłany skądinąd, reklamujący zasoby utrzymywane u nas",
        FactKind.INSTRUCTION: "nasze polecenie",
        FactKind.EMERGENCY: "sytuacja nagła",
        FactKind.LEGAL_REQUEST: "żądanie organu",
        FactKind.GRIEVANCE: "Państwa reklamacja",
    },
}

REQUIREMENTS: dict[str, dict[str, str]] = {
    "en": {
        "protection-confirmed": "confirm that you use anti-spam protection",
        "screenshot": "a screenshot of the current list of people who want no mail, as you use it",
        "invoice-paid": "the invoice paid",
        "explanation": "an explanation of what happened",
        "deleted": "the addresses that complained deleted from every list",
        "mended": "the cause mended",
    },
    "pl": {
        "protection-confirmed": "potwierdzenie stosowania ochrony antyspamowej",
        "screenshot": "zrzut ekranu aktualnej listy osób, które nie życzą sobie poczty, tak jak "
        "jest u Państwa używana",
        "invoice-paid": "opłacona faktura",
        "explanation": "wyjaśnienie, co się stało",
        "deleted": "usunięcie ze wszystkich list adresów, które złożyły skargę",
        "mended": "usunięcie przyczyny",
    },
}

SUBJECTS: dict[str, dict[NoticeKind, str]] = {
    "en": {
        NoticeKind.WARNING: "warning: {title}",
        NoticeKind.OPENED: "{what}: {title}",
        NoticeKind.REMINDER_HALF: "reminder, until {day}: {title}",
        NoticeKind.REMINDER_LATE: "last reminder, until {day}: {title}",
        NoticeKind.SUSPENDED: "sending is suspended: {title}",
        NoticeKind.BLOCKED: "sending is blocked: {title}",
        NoticeKind.OVERDUE: "the time is over: {title}",
        NoticeKind.REJECTED: "not accepted, please send it again: {title}",
        NoticeKind.EXTENDED: "more time, until {day}: {title}",
        NoticeKind.UNBLOCKED: "sending is open again: {title}",
        NoticeKind.FEE: "a fee: {title}",
        NoticeKind.TERMINATED: "your service has been terminated: {title}",
        NoticeKind.APPEAL_DECIDED: "your appeal is decided: {title}",
        NoticeKind.REPORT: "a complaint: {title}",
    },
    "pl": {
        NoticeKind.WARNING: "ostrzeżenie: {title}",
        NoticeKind.OPENED: "{what}: {title}",
        NoticeKind.REMINDER_HALF: "przypomnienie, termin {day}: {title}",
        NoticeKind.REMINDER_LATE: "ostatnie przypomnienie, termin {day}: {title}",
        NoticeKind.SUSPENDED: "wysyłanie zawieszone: {title}",
        NoticeKind.BLOCKED: "wysyłanie zablokowane: {title}",
        NoticeKind.OVERDUE: "termin minął: {title}",
        NoticeKind.REJECTED: "nie przyjęto, prosimy przesłać ponownie: {title}",
        NoticeKind.EXTENDED: "termin przedłużony do {day}: {title}",
        NoticeKind.UNBLOCKED: "wysyłanie znów otwarte: {title}",
        NoticeKind.FEE: "opłata: {title}",
        NoticeKind.TERMINATED: "usługa została rozwiązana: {title}",
        NoticeKind.APPEAL_DECIDED: "decyzja w sprawie odwołania: {title}",
        NoticeKind.REPORT: "skarga: {title}",
    },
}

OPENED: dict[str, dict[bool, str]] = {
    "en": {True: "sending is blocked", False: "we need an answer"},
    "pl": {True: "wysyłanie zablokowane", False: "prosimy o odpowiedź"},
}
"""The `what` of an OPENED subject, by whether something is blocked."""


FEES: dict[str, dict[FeeState, str]] = {
    "en": {
        FeeState.PROPOSED: "foreseen; a member of our staff decides",
        FeeState.ISSUED: "due; an invoice follows",
        FeeState.WAIVED: "waived",
        FeeState.PAID: "paid",
    },
    "pl": {
        FeeState.PROPOSED: "przewidziana; decyduje nasz pracownik",
        FeeState.ISSUED: "należna; otrzymają Państwo fakturę",
        FeeState.WAIVED: "umorzona",
        FeeState.PAID: "zapłacona",
    },
}


def requirement(name: str, language: str) -> str:
    """What is to be done, in words."""
    return REQUIREMENTS[language].get(name) or name.replace("-", " ")
