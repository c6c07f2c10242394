"""The words of confirmation mails, in English and Polish; each language has the same names."""

from __future__ import annotations

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "subject_question": "Please confirm: {list}",
        "subject_reminder": "Reminder, please confirm: {list}",
        "hello": "Hello,",
        "asked": "{sender} has been told that you want to receive “{list}” at {address}.",
        "asked_when": "Somebody entered this address on {when}.",
        "reminder": "We asked you on {when} and have had no answer. This is the only reminder.",
        "agree": "If that was you, confirm it. This is what you agree to:",
        "button": "Open the page to confirm",
        "press": "Open this page and press “Yes, I agree” there. Until you do, you are not on this "
        "list:",
        "until": "The page can be used until {until}.",
        "not_me": "If it was not you, do nothing, or say so on the same page: then you will not be "
        "asked again for half a year.",
        "privacy": "How {sender} treats your data:",
        "number": "Number of this request: {number}",
    },
    "pl": {
        "subject_question": "Prosimy o potwierdzenie: {list}",
        "subject_reminder": "Przypomnienie, prosimy o potwierdzenie: {list}",
        "hello": "Dzień dobry,",
        "asked": "{sender}: otrzymaliśmy zgłoszenie, że chcesz dostawać „{list}” na adres "
        "{address}.",
        "asked_when": "Ten adres wpisano {when}.",
        "reminder": "Pytaliśmy {when} i nie mamy odpowiedzi. To jedyne przypomnienie.",
        "agree": "Jeśli to Twoje zgłoszenie, potwierdź je. Treść zgody:",
        "button": "Otwórz stronę, aby potwierdzić",
        "press": "Otwórz tę stronę i naciśnij na niej „Tak, zgadzam się”. Dopóki tego nie zrobisz, "
        "nie ma Cię na tej liście:",
        "until": "Ze strony można skorzystać do {until}.",
        "not_me": "Jeśli to nie Twoje zgłoszenie, nic nie rób albo zaznacz to na tej samej "
        "stronie: wtedy przez pół roku nie zapytamy ponownie.",
        "privacy": "Jak {sender} traktuje Twoje dane:",
        "number": "Numer tego zgłoszenia: {number}",
    },
}
