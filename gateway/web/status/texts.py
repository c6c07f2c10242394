"""What the status pages say, in English and Polish. Plain text; the templates escape it.

`STATUS` is by language, then by name; each language has the same names. Names that begin with
`say_` tell what became of a form, `phase_` where a case stands, `then_` what follows a deadline.
"""

from __future__ import annotations

from gateway.web.status.english import ENGLISH
from gateway.web.status.polish import POLISH

STATUS: dict[str, dict[str, str]] = {"en": ENGLISH, "pl": POLISH}

MAIL: dict[str, dict[str, str]] = {
    "en": {
        "subject": "Code for your status page",
        "text": "Your code for the status page is\n\n    {code}",
        "ends": "It is good for {minutes} minutes, once. Type it in on the page where you asked "
        "for it.",
        "not": "You did not ask for it? Then somebody who has the link to your status page did. "
        "Without the code they can change nothing; do not pass it on.",
    },
    "pl": {
        "subject": "Kod do strony stanu",
        "text": "Kod do strony stanu:\n\n    {code}",
        "ends": "Kod jest ważny {minutes} minut i tylko raz. Prosimy wpisać go na stronie, na "
        "której został zamówiony.",
        "not": "To nie Państwo prosili o kod? W takim razie poprosił o niego ktoś, kto ma link do "
        "Państwa strony stanu. Bez kodu nie może niczego zmienić; prosimy go nie przekazywać.",
    },
}
"""The mail that carries a code."""
