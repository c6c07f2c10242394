"""What each finding says and what to do about it, in English and Polish. Plain text."""

from __future__ import annotations

from enum import StrEnum


class Say(StrEnum):
    """What can be found."""

    UNKNOWN = "unknown"
    DKIM_OK = "dkim-ok"
    DKIM_MISSING = "dkim-missing"
    DKIM_NO_KEY = "dkim-no-key"
    DKIM_SEVERAL = "dkim-several"
    DKIM_BROKEN = "dkim-broken"
    DKIM_REVOKED = "dkim-revoked"
    DKIM_OTHER_KEY = "dkim-other-key"
    DKIM_UNUSABLE = "dkim-unusable"
    DKIM_TESTING = "dkim-testing"
    SPF_OK = "spf-ok"
    SPF_COVERED = "spf-covered"
    SPF_MISSING = "spf-missing"
    SPF_SEVERAL = "spf-several"
    SPF_BROKEN = "spf-broken"
    SPF_LOOKUPS = "spf-lookups"
    SPF_VOID = "spf-void"
    SPF_OPEN = "spf-open"
    SPF_NOT_COVERED = "spf-not-covered"
    SPF_PTR = "spf-ptr"
    SPF_NEUTRAL = "spf-neutral"
    DMARC_OK = "dmarc-ok"
    DMARC_WATCHES = "dmarc-watches"
    DMARC_MISSING = "dmarc-missing"
    DMARC_SEVERAL = "dmarc-several"
    DMARC_BROKEN = "dmarc-broken"
    DMARC_STRICT = "dmarc-strict"
    MX_OK = "mx-ok"
    MX_NULL = "mx-null"
    MX_MISSING = "mx-missing"


SENTENCES: dict[str, dict[Say, str]] = {
    "en": {
        Say.UNKNOWN: "No name server answered in time. Try again in a minute.",
        Say.DKIM_OK: "The published key is the one that signs.",
        Say.DKIM_MISSING: "There is no record. Publish the key's TXT record at {name}.",
        Say.DKIM_NO_KEY: "The domain sends unsigned. Make a key with `consentry dkim new`.",
        Say.DKIM_SEVERAL: "There is more than one record. Keep only the one of the signing key.",
        Say.DKIM_BROKEN: "The record cannot be read at `{why}`. Publish the key's record again.",
        Say.DKIM_REVOKED: "The record says that the key is revoked. Publish the key, or sign "
        "with another one.",
        Say.DKIM_OTHER_KEY: "Another key is published, so every signature fails. Publish the "
        "record of the key that signs.",
        Say.DKIM_UNUSABLE: "The record forbids this use ({why}), so receivers pass the signature "
        "over. Remove that tag.",
        Say.DKIM_TESTING: "The key is the right one, but marked as a test (t=y). Remove the tag.",
        Say.SPF_OK: "The record is in order. It takes {lookups} of 10 look-ups.",
        Say.SPF_COVERED: "The record covers every outgoing address. It takes {lookups} of 10 "
        "look-ups.",
        Say.SPF_MISSING: "There is no SPF record. Publish one TXT record that begins with v=spf1.",
        Say.SPF_SEVERAL: "There are {count} SPF records, so receivers use none. Make one of them.",
        Say.SPF_BROKEN: "There is a fault at `{why}`, so receivers use nothing of it. Mend it.",
        Say.SPF_LOOKUPS: "The record takes {lookups} look-ups and only 10 are allowed, so "
        "receivers use none of it. Write addresses in place of some names.",
        Say.SPF_VOID: "The record asks for {count} names that do not exist and only 2 are "
        "allowed. Remove them.",
        Say.SPF_OPEN: "The record lets anybody send for this domain (+all). End it with -all or "
        "~all.",
        Say.SPF_NOT_COVERED: "The record does not cover {addresses}. Add the outgoing addresses.",
        Say.SPF_PTR: "The record uses ptr, which receivers need not follow. Write addresses in "
        "its place.",
        Say.SPF_NEUTRAL: "The record says nothing about other senders. End it with -all or ~all.",
        Say.DMARC_OK: "There is a policy: p={policy}, from {name}.",
        Say.DMARC_WATCHES: "There is a policy, from {name}, that only watches (p=none).",
        Say.DMARC_MISSING: "There is no DMARC record. Publish one at {name}, such as "
        "v=DMARC1; p=none.",
        Say.DMARC_SEVERAL: "There are {count} records at {name}, so receivers use none. Keep one.",
        Say.DMARC_BROKEN: "The record at {name} cannot be read at `{why}`. Mend it.",
        Say.DMARC_STRICT: "The record at {name} asks for strict DKIM alignment (adkim=s), but "
        "subdomains are signed with their parent's key. Write adkim=r.",
        Say.MX_OK: "Answers and bounces can be delivered.",
        Say.MX_NULL: "The domain says that it takes no mail (null MX), so many receivers refuse "
        "its mail. Publish an MX record.",
        Say.MX_MISSING: "The domain has no MX and no address, so it cannot take answers. Publish "
        "an MX record.",
    },
    "pl": {
        Say.UNKNOWN: "Żaden serwer nazw nie odpowiedział na czas. Spróbuj ponownie za minutę.",
        Say.DKIM_OK: "Opublikowany klucz jest tym, którym podpisujemy.",
        Say.DKIM_MISSING: "Nie ma rekordu. Opublikuj rekord TXT klucza pod nazwą {name}.",
        Say.DKIM_NO_KEY: "Domena wysyła bez podpisu. Utwórz klucz poleceniem `consentry dkim new`.",
        Say.DKIM_SEVERAL: "Jest więcej niż jeden rekord. Zostaw tylko rekord klucza, którym "
        "podpisujemy.",
        Say.DKIM_BROKEN: "Nie można odczytać rekordu przy `{why}`. Opublikuj ponownie rekord "
        "TXT klucza.",
        Say.DKIM_REVOKED: "Według rekordu klucz jest unieważniony. Opublikuj klucz albo podpisuj "
        "innym.",
        Say.DKIM_OTHER_KEY: "Opublikowano inny klucz, więc żaden podpis nie jest ważny. "
        "Opublikuj rekord klucza, którym podpisujemy.",
        Say.DKIM_UNUSABLE: "Rekord nie pozwala na takie użycie ({why}), więc odbiorcy pomijają "
        "podpis. Usuń ten znacznik.",
        Say.DKIM_TESTING: "Klucz jest właściwy, ale oznaczony jako próbny (t=y). Usuń znacznik.",
        Say.SPF_OK: "Rekord jest poprawny. Wymaga {lookups} z 10 zapytań.",
        Say.SPF_COVERED: "Rekord obejmuje każdy adres wychodzący. Wymaga {lookups} z 10 zapytań.",
        Say.SPF_MISSING: "Nie ma rekordu SPF. Opublikuj jeden rekord TXT zaczynający się od "
        "v=spf1.",
        Say.SPF_SEVERAL: "Rekordów SPF jest {count}, więc odbiorcy nie użyją żadnego. Połącz je w "
        "jeden.",
        Say.SPF_BROKEN: "W rekordzie jest błąd przy `{why}`, więc odbiorcy nie użyją go wcale. "
        "Popraw go.",
        Say.SPF_LOOKUPS: "Rekord wymaga {lookups} zapytań, a dozwolonych jest 10, więc odbiorcy "
        "nie użyją go wcale. Wpisz adresy zamiast części nazw.",
        Say.SPF_VOID: "Rekord pyta o nieistniejące nazwy ({count}), a dozwolone są 2. Usuń je.",
        Say.SPF_OPEN: "Rekord pozwala każdemu wysyłać w imieniu domeny (+all). Zakończ go -all "
        "albo ~all.",
        Say.SPF_NOT_COVERED: "Rekord nie obejmuje {addresses}. Dodaj adresy wychodzące.",
        Say.SPF_PTR: "Rekord używa ptr, którego odbiorcy nie muszą sprawdzać. Wpisz zamiast niego "
        "adresy.",
        Say.SPF_NEUTRAL: "Rekord nic nie mówi o innych nadawcach. Zakończ go -all albo ~all.",
        Say.DMARC_OK: "Zasady są ogłoszone: p={policy}, z {name}.",
        Say.DMARC_WATCHES: "Zasady z {name} tylko obserwują (p=none).",
        Say.DMARC_MISSING: "Nie ma rekordu DMARC. Opublikuj go pod nazwą {name}, na przykład "
        "v=DMARC1; p=none.",
        Say.DMARC_SEVERAL: "Pod {name} jest kilka rekordów ({count}), więc odbiorcy nie użyją "
        "żadnego. Zostaw jeden.",
        Say.DMARC_BROKEN: "Nie można odczytać rekordu pod {name} przy `{why}`. Popraw go.",
        Say.DMARC_STRICT: "Rekord pod {name} wymaga ścisłej zgodności DKIM (adkim=s), a "
        "subdomeny podpisuje klucz domeny nadrzędnej. Wpisz adkim=r.",
        Say.MX_OK: "Odpowiedzi i zwroty można dostarczyć.",
        Say.MX_NULL: "Domena ogłasza, że nie przyjmuje poczty (null MX), więc wielu odbiorców "
        "odrzuca pocztę od niej. Opublikuj rekord MX.",
        Say.MX_MISSING: "Domena nie ma rekordu MX ani adresu, więc nie może przyjąć odpowiedzi. "
        "Opublikuj rekord MX.",
    },
}
