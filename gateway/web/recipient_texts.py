"""What recipients read on their pages, in English and Polish.

Plain text; the templates escape it and fill in `{list}` and `{sender}`, the names by which
recipients know them. Each language has the same names.
"""

from __future__ import annotations

RECIPIENT_TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "unsubscribe_title": "Unsubscribe from {list}",
        "unsubscribe_text": "This list is sent by {sender}. Choose what should no longer come to "
        "your address. Nothing has changed yet.",
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
        "spam_note": "Refuses all mail from {sender} except what is verified to be about your own "
        "orders or account. A person looks into it.",
        "unsubscribed_title": "You are unsubscribed",
        "complained_title": "Your report is recorded",
        "in_force": "In force now",
        "is_out": "Mail from the list {list} to your address is refused.",
        "is_out_wide": "All newsletters and offers from {sender} to your address are refused.",
        "has_complained": "Your report of spam is recorded and a person looks into it. All mail "
        "from {sender} to your address is refused, except what is verified to be about your "
        "own orders or account.",
        "unsubscribed_note": "You can close this page. A message that was already on its way may "
        "still arrive. Should you want this mail again one day, sign up with {sender} again.",
        "more": "More you can do",
        "more_spam": "Report as spam",
        "confirm_title": "Do you want {list}?",
        "confirm_text": "{sender} asks whether it may send you this list. Somebody entered your "
        "address there; if that was you, confirm it. Until you do, nothing is sent.",
        "confirm_agree": "What you agree to",
        "confirm_privacy": "Privacy notice of {sender}",
        "confirm_button": "Yes, I agree",
        "confirm_decline": "I did not ask for this",
        "confirm_kept": "When you agree, the time, your IP address and port, and the name of your "
        "browser are kept as proof of it. You can withdraw on this page at any time. If you do "
        "nothing, the request lapses by itself.",
        "confirmed_title": "You are subscribed to {list}",
        "confirmed_text": "Your consent is recorded. {sender} may now send you this list.",
        "confirmed_agree": "What you agreed to",
        "confirmed_withdraw": "Withdraw my consent",
        "confirmed_note": "You can close this page. Keep its link if you like: as long as your "
        "consent stands you can withdraw it here, as in every message of the list.",
        "over_withdrawn_title": "Withdrawn",
        "over_withdrawn_text": "This request for the list {list} counts no more, and the list's "
        "mail to your address is refused unless you have agreed to it again since.",
        "over_left_title": "You have left this list",
        "over_left_text": "You agreed to the list {list} and left it later. Its mail to your "
        "address is refused.",
        "over_expired_title": "This link has expired",
        "over_expired_text": "The request was not confirmed in time, so it has no effect.",
        "over_superseded_title": "There is a newer request",
        "over_superseded_text": "Another request for the list {list} has taken the place of this "
        "one. Open the link in the newest message.",
        "over_closed_title": "This request is closed",
        "over_closed_text": "It cannot be confirmed any more and has no effect.",
        "over_note": "You can close this page. Should you want the list {list}, sign up with "
        "{sender} again.",
    },
    "pl": {
        "unsubscribe_title": "Wypisz się z listy {list}",
        "unsubscribe_text": "Tę listę wysyła {sender}. Wybierz, co ma już nie przychodzić na Twój "
        "adres. Na razie nic się nie zmieniło.",
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
        "spam_note": "Odrzucane będzie wszystko, co wysyła {sender}, oprócz sprawdzonych "
        "wiadomości o Twoich zamówieniach lub koncie. Sprawą zajmie się człowiek.",
        "unsubscribed_title": "Wypisano z listy",
        "complained_title": "Zgłoszenie zapisane",
        "in_force": "Co teraz obowiązuje",
        "is_out": "Wiadomości z listy {list} na Twój adres są odrzucane.",
        "is_out_wide": "Wszystkie newslettery i oferty, które wysyła {sender}, są odrzucane, gdy "
        "są kierowane na Twój adres.",
        "has_complained": "Zgłoszenie spamu jest zapisane i zajmie się nim człowiek. Wszystko, co "
        "wysyła do Ciebie {sender}, jest odrzucane, oprócz sprawdzonych wiadomości o Twoich "
        "zamówieniach lub koncie.",
        "unsubscribed_note": "Możesz zamknąć tę stronę. Wiadomość, która była już w drodze, może "
        "jeszcze dotrzeć. Aby kiedyś znów otrzymywać te wiadomości, zapisz się ponownie u nadawcy: "
        "{sender}.",
        "more": "Co jeszcze możesz zrobić",
        "more_spam": "Zgłoś jako spam",
        "confirm_title": "Czy chcesz otrzymywać {list}?",
        "confirm_text": "{sender} pyta, czy może wysyłać Ci tę listę. Ktoś podał tam Twój adres; "
        "jeśli to Ty, potwierdź. Bez potwierdzenia nic nie będzie wysyłane.",
        "confirm_agree": "Na co się zgadzasz",
        "confirm_privacy": "Informacja o prywatności: {sender}",
        "confirm_button": "Tak, zgadzam się",
        "confirm_decline": "To nie moja prośba",
        "confirm_kept": "Gdy wyrazisz zgodę, jako jej dowód zapiszemy czas, Twój adres IP i port "
        "oraz nazwę przeglądarki. Zgodę można w każdej chwili wycofać na tej stronie. Jeśli nic "
        "nie zrobisz, prośba sama wygaśnie.",
        "confirmed_title": "Zapisano na listę {list}",
        "confirmed_text": "Twoja zgoda jest zapisana. {sender} może teraz wysyłać Ci tę listę.",
        "confirmed_agree": "Treść Twojej zgody",
        "confirmed_withdraw": "Wycofuję zgodę",
        "confirmed_note": "Możesz zamknąć tę stronę. Link warto zachować: dopóki zgoda "
        "obowiązuje, można ją tutaj wycofać, tak jak w każdej wiadomości z tej listy.",
        "over_withdrawn_title": "Wycofano",
        "over_withdrawn_text": "Ta prośba dotycząca listy {list} już nie obowiązuje, a wiadomości "
        "z tej listy na Twój adres są odrzucane, chyba że od tego czasu ponownie wyrazisz zgodę.",
        "over_left_title": "Nie jesteś już na tej liście",
        "over_left_text": "Wyrażono zgodę na listę {list}, a później się z niej wypisano. "
        "Wiadomości z niej na Twój adres są odrzucane.",
        "over_expired_title": "Ten link wygasł",
        "over_expired_text": "Prośby nie potwierdzono na czas, więc nie ma ona skutku.",
        "over_superseded_title": "Jest nowsza prośba",
        "over_superseded_text": "Tę prośbę zastąpiła inna, dotycząca listy {list}. Otwórz link z "
        "najnowszej wiadomości.",
        "over_closed_title": "Ta prośba jest zamknięta",
        "over_closed_text": "Nie można jej już potwierdzić i nie ma ona skutku.",
        "over_note": "Możesz zamknąć tę stronę. Aby otrzymywać listę {list}, zapisz się ponownie "
        "u nadawcy: {sender}.",
    },
}
"""By language, then by name."""
