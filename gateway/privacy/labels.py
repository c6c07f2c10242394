"""What the readable report says, in English and Polish. Plain text; the page escapes it."""

from __future__ import annotations

from gateway.privacy.report import Note

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "title": "What is stored about you",
        "address": "Address asked about",
        "made_at": "As of",
        "tenant": "Held for",
        "everyone": "all customers of this mail gateway",
        "intro": "This is everything this mail gateway stores about the address below. It relays "
        "mail for its customers and keeps no message.",
        "none": "Nothing is stored.",
        "yes": "yes",
        "no": "no",
        "keys": "Keyed hashes under which it was found",
        "notes": "What to know when reading this",
        "rights": "You may ask for correction, erasure, restriction or portability of these data, "
        "object to their use, and complain to a supervisory authority.",
        "personal": "personal",
        "facts_of_step": "details",
    },
    "pl": {
        "title": "Jakie dane o Tobie są przechowywane",
        "address": "Adres, którego dotyczy zapytanie",
        "made_at": "Stan na",
        "tenant": "W imieniu",
        "everyone": "wszystkich klientów tej bramki pocztowej",
        "intro": "To wszystko, co ta bramka pocztowa przechowuje o poniższym adresie. Przekazuje "
        "ona pocztę swoich klientów i nie zachowuje żadnej wiadomości.",
        "none": "Nic nie jest przechowywane.",
        "yes": "tak",
        "no": "nie",
        "keys": "Skróty z kluczem, pod którymi to znaleziono",
        "notes": "Co warto wiedzieć, czytając ten wykaz",
        "rights": "Możesz żądać sprostowania, usunięcia, ograniczenia lub przeniesienia tych "
        "danych, sprzeciwić się ich wykorzystaniu oraz wnieść skargę do organu nadzorczego.",
        "personal": "dane osobowe",
        "facts_of_step": "szczegóły",
    },
}
"""By language, then by name; each language has the same names."""

SECTION_TITLES: dict[str, dict[str, str]] = {
    "en": {
        "suppressions": "Why mail to you is stopped, or was",
        "consents": "Consents",
        "proofs": "Proofs of consent",
        "webhooks": "What customers were told",
        "pre_checks": "Checks of customers' lists",
        "facts": "Mail that broke a rule",
        "reports": "Your complaints",
        "bounces": "Mail to you that could not be delivered",
        "deletions": "Customers that say they have deleted your address",
        "requests": "Your requests",
        "audit": "Changes on record",
        "journal": "Lines in the journal",
    },
    "pl": {
        "suppressions": "Dlaczego poczta do Ciebie jest lub była wstrzymana",
        "consents": "Zgody",
        "proofs": "Dowody zgody",
        "webhooks": "O czym powiadomiono klientów",
        "pre_checks": "Sprawdzenia list klientów",
        "facts": "Wiadomości wysłane wbrew zasadom",
        "reports": "Twoje skargi",
        "bounces": "Poczta do Ciebie, której nie dało się doręczyć",
        "deletions": "Klienci, którzy oświadczyli, że usunęli Twój adres",
        "requests": "Twoje żądania",
        "audit": "Odnotowane zmiany",
        "journal": "Wpisy w dzienniku zdarzeń",
    },
}

FIELDS: dict[str, dict[str, str]] = {
    "en": {
        "scope": "for",
        "reason": "reason",
        "stops": "stops",
        "by": "by",
        "stored_as": "stored as",
        "set_by": "set by",
        "source": "source",
        "since": "since",
        "ends": "ends",
        "lifted": "lifted",
        "lifted_reason": "why lifted",
        "level": "level",
        "given": "given",
        "ended": "ended",
        "tracking": "number",
        "status": "status",
        "language": "language",
        "requested": "requested",
        "wording": "consent text",
        "steps": "what happened",
        "tenant": "customer",
        "kind": "kind",
        "made": "queued",
        "delivered": "delivered",
        "is_waiting": "still to be told",
        "case": "case",
        "said": "your words",
        "headers": "header fields",
        "type": "kind",
        "answer": "the server's answer",
        "stream": "list",
        "ref": "reference",
        "at": "at",
        "report": "number",
        "request": "number",
        "identity": "identity checked",
        "received": "received",
        "due": "due",
        "extension": "why extended",
        "done": "done",
        "outcome": "outcome",
        "action": "what",
        "count": "lines",
        "first": "first",
        "last": "last",
    },
    "pl": {
        "scope": "dla",
        "reason": "powód",
        "stops": "wstrzymuje",
        "by": "według",
        "stored_as": "zapisano jako",
        "set_by": "kto ustawił",
        "source": "źródło",
        "since": "od",
        "ends": "koniec",
        "lifted": "zniesiono",
        "lifted_reason": "dlaczego zniesiono",
        "level": "poziom",
        "given": "udzielono",
        "ended": "zakończono",
        "tracking": "numer",
        "status": "stan",
        "language": "język",
        "requested": "poproszono",
        "wording": "treść zgody",
        "steps": "przebieg",
        "tenant": "klient",
        "kind": "rodzaj",
        "made": "przygotowano",
        "delivered": "dostarczono",
        "is_waiting": "jeszcze nie przekazano",
        "case": "sprawa",
        "said": "Twoje słowa",
        "headers": "pola nagłówka",
        "type": "rodzaj",
        "answer": "odpowiedź serwera",
        "stream": "lista",
        "ref": "oznaczenie",
        "at": "kiedy",
        "report": "numer",
        "request": "numer",
        "identity": "sprawdzenie tożsamości",
        "received": "wpłynęło",
        "due": "termin",
        "extension": "dlaczego przedłużono",
        "done": "załatwiono",
        "outcome": "wynik",
        "action": "co",
        "count": "wpisów",
        "first": "pierwszy",
        "last": "ostatni",
    },
}

VALUES: dict[str, dict[str, dict[str, str]]] = {
    "en": {
        "scope": {"*": "all customers"},
        "reason": {
            "protected": "protected address",
            "erasure": "data erased on request",
            "objection": "objection",
            "complaint": "complaint about mail",
            "unsubscribe": "unsubscribed",
            "hard_bounce": "mail could not be delivered",
            "robinson": "on a list of those who want no advertising",
            "soft_bounce": "mail could not be delivered for some time",
            "manual": "set by hand",
            "restriction": "restriction of processing",
        },
        "stops": {
            "everything": "all mail",
            "unverified": "all but verified contractual mail",
            "bulk": "advertising and unverified contractual mail",
            "marketing": "advertising",
        },
        "by": {"address": "this address", "domain": "the whole domain"},
        "kind": {},
    },
    "pl": {
        "scope": {"*": "wszyscy klienci"},
        "reason": {
            "protected": "adres chroniony",
            "erasure": "dane usunięte na żądanie",
            "objection": "sprzeciw",
            "complaint": "skarga na wiadomość",
            "unsubscribe": "wypisanie z listy",
            "hard_bounce": "poczty nie dało się doręczyć",
            "robinson": "na liście osób, które nie chcą reklam",
            "soft_bounce": "poczty przez pewien czas nie dało się doręczyć",
            "manual": "ustawione ręcznie",
            "restriction": "ograniczenie przetwarzania",
        },
        "stops": {
            "everything": "wszystkie wiadomości",
            "unverified": "wszystko poza zweryfikowaną pocztą dotyczącą umowy",
            "bulk": "reklamy i niezweryfikowaną pocztę dotyczącą umowy",
            "marketing": "reklamy",
        },
        "by": {"address": "ten adres", "domain": "cała domena"},
        "kind": {
            "access": "dostęp do danych",
            "portability": "przeniesienie danych",
            "rectification": "sprostowanie",
            "erasure": "usunięcie",
            "objection": "sprzeciw",
            "restriction": "ograniczenie przetwarzania",
        },
    },
}
"""What codes mean, by language and field; a value that is not here stands for itself."""

NOTES: dict[str, dict[Note, str]] = {
    "en": {
        Note.LEDGER: "For five days the gateway remembers which copies of a message were "
        "delivered, so that a repeated sending makes no double. These entries are keyed by a hash "
        "over the whole message and cannot be searched by address.",
        Note.INTENTS: "The same holds for the file of copies that are just being sent.",
        Note.OPT_OUT_LOG: "Each stop of mail is also kept, under the keyed hash alone, in a log "
        "from which a restored backup is completed.",
        Note.BACKUPS: "Backups hold what the records held when they were made.",
        Note.BODIES: "No message, subject line or attachment is stored anywhere. Of a message "
        "that was sent back with a complaint, the header fields are kept, encrypted.",
        Note.TENANT_ONLY: "This is what is held for the one customer named above. What the "
        "operator or other customers hold is not part of it.",
        Note.ERASED: "Data about this address were erased on request. What is left are keyed "
        "hashes, which keep mail away from it.",
        Note.LOOSE: "The same address with a tag (name+tag@example.org) counts as yours. What is "
        "known by the hash of such another spelling alone cannot be found.",
    },
    "pl": {
        Note.LEDGER: "Przez pięć dni bramka pamięta, które kopie wiadomości dostarczono, aby "
        "ponowna wysyłka nie dała duplikatów. Wpisy te są oznaczone skrótem całej wiadomości i "
        "nie da się ich wyszukać po adresie.",
        Note.INTENTS: "To samo dotyczy pliku z kopiami, które są właśnie wysyłane.",
        Note.OPT_OUT_LOG: "Każde wstrzymanie poczty jest też zapisane, wyłącznie pod skrótem z "
        "kluczem, w dzienniku, z którego uzupełnia się odtworzoną kopię zapasową.",
        Note.BACKUPS: "Kopie zapasowe zawierają to, co zapisano w chwili ich wykonania.",
        Note.BODIES: "Nigdzie nie przechowuje się treści, tematów ani załączników wiadomości. Z "
        "wiadomości odesłanej razem ze skargą zachowuje się zaszyfrowane pola nagłówka.",
        Note.TENANT_ONLY: "To dane przechowywane w imieniu wskazanego wyżej klienta. Nie obejmują "
        "tego, co przechowuje operator lub inni klienci.",
        Note.ERASED: "Dane o tym adresie usunięto na żądanie. Pozostały skróty z kluczem, które "
        "chronią go przed pocztą.",
        Note.LOOSE: "Ten sam adres ze znacznikiem (imie+znacznik@example.org) uznaje się za Twój. "
        "Tego, co znane jest wyłącznie ze skrótu takiej innej pisowni, nie da się odnaleźć.",
    },
}
