"""What recipients read on their pages, in English and Polish.

Plain text; the templates escape it and fill in `{list}` and `{sender}`, the names by which
recipients know them. Each language has the same names.
"""

from __future__ import annotations

RECIPIENT_TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "unsubscribe_title": "Unsubscribe from {list}",
        "unsubscribe_text": "You had a message from this list, sent by {sender}. Choose what "
        "should no longer be sent to your address. Nothing has changed yet.",
        "unsubscribe_list": "Unsubscribe from this list",
        "unsubscribe_sender": "Unsubscribe from everything from {sender}",
        "unsubscribe_note": "Everything means all newsletters and offers from {sender}. Messages "
        "about something you did there yourself, such as an order, may still come.",
        "why": "Why? You need not say.",
        "why_none": "No answer",
        "why_too-often": "Too many messages",
        "why_never-signed-up": "I never signed up",
        "why_not-interested": "It does not interest me any more",
        "why_other": "Another reason",
        "spam": "This was spam",
        "spam_note": "We will refuse all mail from {sender} to you except what we have verified "
        "to be about your own orders or account, and a person looks into it.",
        "unsubscribed_title": "You are unsubscribed",
        "complained_title": "Your report is recorded",
        "in_force": "In force now",
        "is_out": "Mail from the list {list} to your address is refused.",
        "is_out_wide": "All newsletters and offers from {sender} to your address are refused.",
        "has_complained": "Your report of spam is recorded and a person looks into it. All mail "
        "from {sender} to your address is refused, except what we have verified to be about your "
        "own orders or account.",
        "unsubscribed_note": "You can close this page. A message that was already on its way may "
        "still arrive. Should you want this mail again one day, sign up with {sender} again.",
        "more": "More you can do",
        "more_spam": "Report as spam",
    },
    "pl": {
        "unsubscribe_title": "Wypisz się z listy {list}",
        "unsubscribe_text": "Ta wiadomość przyszła z listy, którą wysyła {sender}. Wybierz, co nie "
        "ma już przychodzić na Twój adres. Na razie nic się nie zmieniło.",
        "unsubscribe_list": "Wypisz mnie z tej listy",
        "unsubscribe_sender": "Wypisz mnie ze wszystkiego, co wysyła {sender}",
        "unsubscribe_note": "Wszystko to wszystkie newslettery i oferty, które wysyła {sender}. "
        "Nadal mogą przychodzić wiadomości o tym, co tam samodzielnie robisz, np. o zamówieniu.",
        "why": "Dlaczego? Odpowiedź nie jest konieczna.",
        "why_none": "Bez odpowiedzi",
        "why_too-often": "Za dużo wiadomości",
        "why_never-signed-up": "Nie zapisywałem(-am) się",
        "why_not-interested": "To mnie już nie interesuje",
        "why_other": "Inny powód",
        "spam": "To był spam",
        "spam_note": "Odrzucimy wszystko, co wysyła do Ciebie {sender}, z wyjątkiem sprawdzonych "
        "przez nas wiadomości o Twoich zamówieniach lub koncie, a sprawą zajmie się człowiek.",
        "unsubscribed_title": "Wypisano z listy",
        "complained_title": "Zgłoszenie zapisane",
        "in_force": "Co teraz obowiązuje",
        "is_out": "Wiadomości z listy {list} na Twój adres są odrzucane.",
        "is_out_wide": "Wszystkie newslettery i oferty, które wysyła {sender}, są odrzucane, gdy "
        "są kierowane na Twój adres.",
        "has_complained": "Zgłoszenie spamu jest zapisane i zajmie się nim człowiek. Wszystko, co "
        "wysyła do Ciebie {sender}, jest odrzucane, z wyjątkiem sprawdzonych przez nas wiadomości "
        "o Twoich zamówieniach lub koncie.",
        "unsubscribed_note": "Możesz zamknąć tę stronę. Wiadomość, która była już w drodze, może "
        "jeszcze dotrzeć. Aby kiedyś znów otrzymywać te wiadomości, zapisz się ponownie u nadawcy: "
        "{sender}.",
        "more": "Co jeszcze możesz zrobić",
        "more_spam": "Zgłoś jako spam",
    },
}
"""By language, then by name."""
