"""What is stored about who works at the desk and who acts for a tenant; see `inventory`."""

from __future__ import annotations

from gateway.records.tables.holding import ACTOR, ROW, Holding

STAFF_HOLDINGS: dict[str, Holding] = {
    "staff": Holding(
        "Who may work at the desk.",
        {
            "id": ROW,
            "name": "name at sign-in",
            "role": "what they may do",
            "password_hash": "Argon2 hash",
            "totp": "number of the encrypted secret of their second factor",
            "totp_step": "last code used, so that none is used twice",
            "identity": "who they are at the OpenID provider",
            "zone": "time zone their pages show",
            "made_at": "when",
            "made_by": ACTOR,
            "disabled_at": "when they were disabled",
        },
        kept="as long as records name them",
    ),
    "staff_sessions": Holding(
        "Who is signed in at the desk.",
        {
            "digest": "SHA-256 of the session's cookie",
            "staff": "number of the member of staff",
            "made_at": "when they signed in",
            "seen_at": "when they were last seen",
            "ends_at": "when it ends",
            "is_complete": "whether the second factor was shown",
        },
        kept="until they end",
    ),
    "undoings": Holding(
        "What staff did in the last minute and may take back.",
        {
            "id": ROW,
            "staff": "number of the member of staff",
            "action": "what was done",
            "detail": "what takes it back; numbers only",
            "at": "when",
            "ends_at": "until when",
            "undone_at": "when it was taken back",
        },
        kept="a day",
    ),
    "mailed_codes": Holding(
        "Codes that show that who acts for a tenant reads its contact's mail.",
        {
            "id": ROW,
            "tenant": "tenant",
            "case_id": "number of the case, if it is for one",
            "digest": "keyed hash of the code",
            "made_at": "when it was mailed",
            "ends_at": "until when it counts",
            "tries": "wrong tries",
            "used_at": "when it was used",
        },
        kept="a day",
    ),
}
