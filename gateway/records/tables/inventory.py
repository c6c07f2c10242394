"""What every stored field is, why it is there and for how long: what docs/privacy.md is made of.

Stands next to the tables, because whoever adds a column must say here what it is for; a test
compares the two. `kept` names a setting of `gateway.config.retention`, or says in words what else
ends a row.
"""

from __future__ import annotations

from gateway.records.tables.case_inventory import CASE_HOLDINGS
from gateway.records.tables.holding import ACTOR, KEY, ROW, SCOPE, SEALED, Holding
from gateway.records.tables.returned_inventory import RETURNED_HOLDINGS
from gateway.records.tables.staff_inventory import STAFF_HOLDINGS

HOLDINGS: dict[str, Holding] = {
    "suppressions": Holding(
        "So that who must not be mailed is not mailed: wishes, protections, bounces. Legal ground: "
        "the person's rights (GDPR articles 17, 18, 21) and the duty to honour them.",
        {
            "id": ROW,
            "key": KEY,
            "scope": SCOPE,
            "code": "reason, what it stops, and whether the tenant may be told",
            "subject": SEALED,
            "source": "number of where it came from",
            "created_at": "since when",
            "ends_at": "until when, for those that end by themselves",
            "lifted_at": "when it was lifted",
            "lifted_by": ACTOR,
            "lifted_reason": "why, in words of staff; addresses in it are masked",
        },
        ("suppressions_lifted", "suppressions_expired"),
        "in force: as long as it is, without an end",
    ),
    "standing_index": Holding(
        "What is looked up at each recipient: the above and consents in force, by key.",
        {
            "key": KEY,
            "scope": SCOPE,
            "code": "effect of an entry, level of a consent, or that a pre-check cleared it",
            "entry": "number of the row it comes from",
            "ends": "until when",
        },
        kept="as long as the entry or consent; what a pre-check cleared, a day",
    ),
    "sources": Holding(
        "Where entries came from, written once for many.",
        {
            "id": ROW,
            "setter": "in what capacity they were set",
            "name": "a note of staff or a file's name; addresses in it are masked",
        },
        kept="for ever: it is about no person",
    ),
    "subjects": Holding(
        "The plain address behind an entry, encrypted, so that staff can answer its owner.",
        {"id": ROW, "sealed": "AES-GCM ciphertext of an address, a domain, or of a proof's facts"},
        kept="as long as a row refers to it; unreadable once its secret is destroyed",
    ),
    "subject_secrets": Holding(
        "Half of each text's key, apart from the data; the other half is in the keyring. "
        "Overwriting it is erasure.",
        {
            "subject": "number of the text",
            "secret": "16 random octets and the keyring's generation",
        },
        kept="as long as a row refers to its text; overwritten by an erasure",
    ),
    "streams": Holding(
        "Numbers of tenants and their lists, as links carry them.",
        {"number": "the number", "tenant": "tenant", "name": "list; empty for the tenant itself"},
        kept="for ever: links in old mail must not come to mean another list",
    ),
    "consents": Holding(
        "So that mail goes to people who agreed only (GDPR articles 6 and 7).",
        {
            "id": ROW,
            "key": KEY,
            "scope": SCOPE,
            "level": "how well it is proven, 1 to 4",
            "subject": SEALED,
            "attestation": "number of the attested list it came with",
            "given_at": "when it was given",
            "ended_at": "when it ended",
            "ended_by": "what ended it",
        },
        ("consents_ended",),
        "in force: as long as it is; one that a proof led to stays with it, by its key",
    ),
    "attestations": Holding(
        "A tenant's word that the people of one list agreed (GDPR article 7(1)).",
        {
            "id": ROW,
            "tenant": "number of the tenant",
            "scope": SCOPE,
            "source": "how the people agreed, in the tenant's words; addresses are masked",
            "attested_at": "when the tenant said so",
            "file_hash": "SHA-256 of the list",
            "actor": ACTOR,
            "recorded_at": "when it was recorded",
            "rows": "how many people",
            "digest": "SHA-256 over the keys taken",
        },
        ("attestations",),
    ),
    "consent_texts": Holding(
        "What people agreed to, word for word.",
        {"id": ROW, "digest": "SHA-256 of the text", "text": "the wording; about no person"},
        kept="for ever, as part of the proofs' chain",
    ),
    "proofs": Holding(
        "Evidence that a person agreed (GDPR article 7(1)).",
        {
            "id": ROW,
            "tracking": "random tracking number",
            "tenant": "number of the tenant",
            "scope": SCOPE,
            "level": "2 to 4",
            "key": KEY,
            "subject": SEALED,
            "text": "number of the consent text",
            "language": "language of mail and page",
            "status": "where it stands",
            "requested_at": "when it was asked for",
            "due_at": "when something is to be done about it",
            "consent": "number of the consent it led to",
        },
        ("proofs_ended", "proofs_unconfirmed"),
        "the first when it was ever confirmed, the second when not; then what is personal is "
        "destroyed, and the row stays in its chain, by its key",
    ),
    "proof_steps": Holding(
        "What happened to each proof, append-only and hash-chained, so that it can be believed.",
        {
            "id": ROW,
            "tenant": "number of the tenant",
            "number": "place in the tenant's chain",
            "proof": "number of the proof",
            "status": "what happened",
            "at": "when",
            "facts": "what is not personal: hashes, codes, durations",
            "subject": "number of the encrypted part: IP address, port, user agent, form, log "
            "line, words of servers",
            "digest": "SHA-256 over this step's ciphertext and the digest before",
        },
        ("proofs_ended", "proofs_unconfirmed"),
        "as its proof",
    ),
    "receipts": Holding(
        "That a tenant had a list checked before a mailing.",
        {
            "id": ROW,
            "tracking": "random number the tenant knows it by",
            "tenant": "number of the tenant",
            "scope": SCOPE,
            "asked": "how many addresses",
            "cleared": "how many were free",
            "digest": "SHA-256 over keys and verdicts",
            "actor": ACTOR,
            "made_at": "when",
            "ends_at": "until when it counts",
        },
        ("receipts",),
    ),
    "webhook_deliveries": Holding(
        "So that a tenant hears at once whom it may not mail any more.",
        {
            "id": ROW,
            "tracking": "random number the receiver knows it by",
            "tenant": "number of the tenant",
            "kind": "what is told",
            "key": KEY,
            "subject": SEALED,
            "payload": "what is told, without the address, which is put in when it is sent",
            "made_at": "when it was queued",
            "since": "since when it has been tried",
            "attempts": "how often it was tried",
            "next_at": "when it is tried again",
            "delivered_at": "when it was taken",
            "trouble": "why not, in our words",
        },
        ("webhook_deliveries",),
    ),
    "subject_requests": Holding(
        "What people asked for their own data, and that it was answered (GDPR articles 5(2), 12).",
        {
            "id": ROW,
            "kind": "what was asked for",
            "scope": "of which tenant, or of all",
            "key": KEY,
            "subject": SEALED,
            "identity": "who checked the person's identity and how; addresses are masked",
            "received_at": "when it came",
            "due_at": "until when it is to be answered",
            "extension": "why it has three months instead of one",
            "done_at": "when it was done",
            "actor": ACTOR,
            "outcome": "what came of it; addresses are masked",
        },
        ("subject_requests",),
        "open: until it is done",
    ),
    **CASE_HOLDINGS,
    **RETURNED_HOLDINGS,
    **STAFF_HOLDINGS,
    "ledger": Holding(
        "So that a customer's retry sends nothing twice.",
        {
            "key": "hash over message, sender and recipient; cannot be searched by address",
            "state": "what became of the copy",
            "ref": "reference of the transaction",
            "at": "when",
            "code": "the next hop's code",
            "enhanced": "the next hop's enhanced code",
            "text": "the next hop's words; addresses are masked",
            "trouble": "why there is no answer",
        },
        kept="5 d",
    ),
    "windows": Holding(
        "Counts of octets, messages and refusals; about no person.",
        {
            "key": "what is counted",
            "seconds": "length",
            "start": "begin",
            "amount": "count",
        },
        kept="twice its length",
    ),
    "mailings": Holding(
        "Which mailing a list is in; about no person.",
        {"stream": "list", "id": "mailing", "started_at": "begin", "last_at": "last mail"},
        kept="7 d",
    ),
    "api_tokens": Holding(
        "Who may call the API.",
        {
            "id": ROW,
            "digest": "SHA-256 of the token",
            "name": "name that staff gave it",
            "tenant": "whose it is",
            "permissions": "what it allows",
            "made_at": "when it was made",
            "made_by": ACTOR,
            "ends_at": "until when it counts",
            "revoked_at": "when it was revoked",
            "revoked_by": ACTOR,
        },
        ("api_tokens",),
        "in force: as long as it is",
    ),
    "idempotency": Holding(
        "So that a call that comes twice counts once; holds no address.",
        {
            "token": "number of the token",
            "key": "keyed hash of the caller's own text",
            "request": "keyed hash of the call",
            "at": "when",
            "status": "status of the answer",
            "response": "the answer",
        },
        kept="1 d",
    ),
    "audit": Holding(
        "Who changed what, when and why (GDPR article 5(2)); hash-chained.",
        {
            "id": "place in the chain",
            "at": "when",
            "actor": ACTOR,
            "action": "what",
            "scope": "for whom",
            "key": KEY,
            "detail": "the rest as JSON; addresses are masked",
            "digest": "SHA-256 over this record and the digest before",
        },
        ("audit",),
        "then cut off at its beginning, with a witness in the chain",
    ),
    "changes": Holding(
        "Which keys have changed, for the index in Redis to follow; empty without one.",
        {"n": "place in the order of changes", "key": KEY},
        kept="ten minutes, once the index has followed",
    ),
    "meta": Holding(
        "Marks of the database as a whole, and how far each journal was followed; about no person.",
        {"name": "which mark", "value": "its value"},
        kept="for ever",
    ),
}
"""By table, in the order of the page."""
