"""What every page of the desk says, in English and Polish; each screen has texts of its own."""

from __future__ import annotations

from http import HTTPStatus

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "desk": "Abuse desk",
        "skip": "Skip to content",
        "navigation": "Screens",
        "languages": "Language",
        "today": "Today",
        "cases": "Cases",
        "returned": "Reports",
        "look_up": "Look-up",
        "tenants": "Tenants",
        "blocks": "Blocks",
        "lists": "Lists",
        "consents": "Consent",
        "subjects": "Subject requests",
        "audit": "Audit",
        "staff": "Staff",
        "sign_in": "Sign in",
        "sign_out": "Sign out",
        "reason": "Reason",
        "onward": "Go on to the desk",
        "role_abuse": "abuse desk",
        "role_lead": "lead",
        "role_operator": "operator",
        "role_auditor": "auditor",
        "earlier": "Newer",
        "later": "Older",
        "back": "Back",
        "undo": "Undo",
        "undo_left": "can be undone until",
        "keys_title": "Keys",
        "keys_rows": "next row, row before",
        "close": "Close",
    },
    "pl": {
        "desk": "Stanowisko nadużyć",
        "skip": "Przejdź do treści",
        "navigation": "Ekrany",
        "languages": "Język",
        "today": "Dziś",
        "cases": "Sprawy",
        "returned": "Zgłoszenia",
        "look_up": "Wyszukiwanie",
        "tenants": "Klienci",
        "blocks": "Blokady",
        "lists": "Listy",
        "consents": "Zgody",
        "subjects": "Żądania osób",
        "audit": "Dziennik zmian",
        "staff": "Personel",
        "sign_in": "Zaloguj się",
        "sign_out": "Wyloguj się",
        "reason": "Powód",
        "onward": "Przejdź do stanowiska",
        "role_abuse": "nadużycia",
        "role_lead": "kierownik",
        "role_operator": "operator",
        "role_auditor": "audytor",
        "earlier": "Nowsze",
        "later": "Starsze",
        "back": "Wstecz",
        "undo": "Cofnij",
        "undo_left": "można cofnąć do",
        "keys_title": "Klawisze",
        "keys_rows": "następny wiersz, poprzedni wiersz",
        "close": "Zamknij",
    },
}
"""By language, then by name; each language has the same names."""

PROBLEMS: dict[str, dict[HTTPStatus, tuple[str, str]]] = {
    "en": {
        HTTPStatus.BAD_REQUEST: (
            "The form is incomplete",
            "Go back, fill in what is missing and send it again.",
        ),
        HTTPStatus.FORBIDDEN: (
            "This is not possible for you",
            "Your role does not allow it, or the page is from an earlier session: open it again "
            "and try once more. Ask an operator if you need it.",
        ),
        HTTPStatus.NOT_FOUND: (
            "There is no such page",
            "What it was about may be gone, or the address is wrong.",
        ),
        HTTPStatus.METHOD_NOT_ALLOWED: ("This is not possible here", "Go back and try again."),
        HTTPStatus.CONFLICT: (
            "It has changed meanwhile",
            "Somebody else or the gateway was faster. Open the page again and look.",
        ),
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
            "That is too much at once",
            "Send a smaller file or a shorter text.",
        ),
        HTTPStatus.TOO_MANY_REQUESTS: ("Too many tries", "Wait a few minutes and try again."),
        HTTPStatus.SERVICE_UNAVAILABLE: (
            "Please try again in a minute",
            "The records cannot serve just now. Nothing was changed.",
        ),
        HTTPStatus.INTERNAL_SERVER_ERROR: (
            "Something went wrong on our side",
            "Nothing was changed. Try again; the journal says more.",
        ),
    },
    "pl": {
        HTTPStatus.BAD_REQUEST: (
            "Formularz jest niekompletny",
            "Wróć, uzupełnij, czego brakuje, i wyślij ponownie.",
        ),
        HTTPStatus.FORBIDDEN: (
            "Nie masz do tego uprawnień",
            "Twoja rola na to nie pozwala albo strona pochodzi z wcześniejszej sesji: otwórz ją "
            "ponownie i spróbuj jeszcze raz. W razie potrzeby poproś operatora.",
        ),
        HTTPStatus.NOT_FOUND: (
            "Nie ma takiej strony",
            "To, czego dotyczyła, mogło zniknąć, albo adres jest błędny.",
        ),
        HTTPStatus.METHOD_NOT_ALLOWED: (
            "Tutaj nie jest to możliwe",
            "Wróć i spróbuj ponownie.",
        ),
        HTTPStatus.CONFLICT: (
            "W międzyczasie coś się zmieniło",
            "Ktoś inny albo bramka zrobili to szybciej. Otwórz stronę ponownie i sprawdź.",
        ),
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
            "To za dużo naraz",
            "Wyślij mniejszy plik albo krótszy tekst.",
        ),
        HTTPStatus.TOO_MANY_REQUESTS: (
            "Zbyt wiele prób",
            "Odczekaj kilka minut i spróbuj ponownie.",
        ),
        HTTPStatus.SERVICE_UNAVAILABLE: (
            "Spróbuj ponownie za minutę",
            "Zapisy są chwilowo niedostępne. Nic nie zmieniono.",
        ),
        HTTPStatus.INTERNAL_SERVER_ERROR: (
            "Coś poszło nie tak po naszej stronie",
            "Nic nie zmieniono. Spróbuj ponownie; więcej jest w dzienniku zdarzeń.",
        ),
    },
}
"""By language and status: a title and what to do. Unknown statuses read as the last one."""
