"""What the pages say, in English and Polish. Plain text; the templates escape it.

What recipients read is in `gateway.web.recipient_texts`.
"""

from __future__ import annotations

from http import HTTPStatus

from gateway.web.recipient_texts import RECIPIENT_TEXTS

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        **RECIPIENT_TEXTS["en"],
        "replies_title": "Why mail was refused",
        "replies_text": "Each refusal carries a tag in square brackets. This list explains them "
        "all.",
        "reply_title": "Reply",
        "reply_said": "The mail server said",
        "reply_meaning": "What it means",
        "reply_again": "Can the same mail be sent again?",
        "reply_temporary": "Yes. A code that begins with 4 is temporary: mailing software sends "
        "the mail again by itself.",
        "reply_permanent": "No. A code that begins with 5 is final: the mail will not pass as it "
        "is.",
        "reply_ref": "Need more? Give your provider the ref at the end of the reply: it leads them "
        "to the record of this refusal.",
        "reply_all": "All replies",
        "tag": "Tag",
        "code": "Code",
        "languages": "Language",
        "footer": "Consentry, a compliance gateway for outgoing mail",
    },
    "pl": {
        **RECIPIENT_TEXTS["pl"],
        "replies_title": "Dlaczego poczta została odrzucona",
        "replies_text": "Każda odmowa zawiera znacznik w nawiasach kwadratowych. Ta lista "
        "objaśnia wszystkie.",
        "reply_title": "Odpowiedź",
        "reply_said": "Serwer poczty odpowiedział",
        "reply_meaning": "Co to znaczy",
        "reply_again": "Czy tę samą wiadomość można wysłać ponownie?",
        "reply_temporary": "Tak. Kod zaczynający się od 4 jest tymczasowy: program wysyłający "
        "sam ponowi próbę.",
        "reply_permanent": "Nie. Kod zaczynający się od 5 jest ostateczny: wiadomość w tej "
        "postaci nie przejdzie.",
        "reply_ref": "Potrzebujesz więcej? Podaj dostawcy oznaczenie „ref” z końca odpowiedzi: "
        "prowadzi ono do zapisu tej odmowy.",
        "reply_all": "Wszystkie odpowiedzi",
        "tag": "Znacznik",
        "code": "Kod",
        "languages": "Język",
        "footer": "Consentry, bramka zgodności dla poczty wychodzącej",
    },
}
"""By language, then by name; each language has the same names."""

PROBLEMS: dict[str, dict[HTTPStatus, tuple[str, str]]] = {
    "en": {
        HTTPStatus.BAD_REQUEST: (
            "The request is incomplete",
            "Open the link from the message again and press the button on the page.",
        ),
        HTTPStatus.NOT_FOUND: (
            "There is no such page",
            "Check that the link was copied whole, or open it from the message again.",
        ),
        HTTPStatus.METHOD_NOT_ALLOWED: (
            "This is not possible here",
            "Open the link from the message again.",
        ),
        HTTPStatus.REQUEST_TIMEOUT: (
            "The request took too long",
            "Open the link from the message again.",
        ),
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
            "The request is too large",
            "Open the link from the message again and press the button on the page.",
        ),
        HTTPStatus.SERVICE_UNAVAILABLE: (
            "Please try again in a minute",
            "Your request could not be recorded just now. It is not in force until this page "
            "confirms it.",
        ),
        HTTPStatus.INTERNAL_SERVER_ERROR: (
            "Something went wrong on our side",
            "Please try again in a few minutes.",
        ),
    },
    "pl": {
        HTTPStatus.BAD_REQUEST: (
            "Żądanie jest niekompletne",
            "Otwórz ponownie link z wiadomości i naciśnij przycisk na stronie.",
        ),
        HTTPStatus.NOT_FOUND: (
            "Nie ma takiej strony",
            "Sprawdź, czy link skopiowano w całości, albo otwórz go ponownie z wiadomości.",
        ),
        HTTPStatus.METHOD_NOT_ALLOWED: (
            "Tutaj nie jest to możliwe",
            "Otwórz ponownie link z wiadomości.",
        ),
        HTTPStatus.REQUEST_TIMEOUT: (
            "Żądanie trwało zbyt długo",
            "Otwórz ponownie link z wiadomości.",
        ),
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
            "Żądanie jest zbyt duże",
            "Otwórz ponownie link z wiadomości i naciśnij przycisk na stronie.",
        ),
        HTTPStatus.SERVICE_UNAVAILABLE: (
            "Spróbuj ponownie za minutę",
            "W tej chwili nie udało się zapisać żądania. Zacznie ono obowiązywać dopiero, gdy "
            "potwierdzi to ta strona.",
        ),
        HTTPStatus.INTERNAL_SERVER_ERROR: (
            "Coś poszło nie tak po naszej stronie",
            "Spróbuj ponownie za kilka minut.",
        ),
    },
}
"""By language and status: a title and what to do. Unknown statuses read as the last one."""
