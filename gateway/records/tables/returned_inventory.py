"""What is stored of bounces and figures; see `inventory`."""

from __future__ import annotations

from gateway.records.tables.holding import ACTOR, KEY, ROW, Holding

RETURNED_HOLDINGS: dict[str, Holding] = {
    "bounces": Holding(
        "So that mailboxes that are none, full or out of reach are not mailed on and on.",
        {
            "id": ROW,
            "mark": "the mailbox a bounce came to and a digest of the mail, or where the next hop "
            "said it: so that it counts once",
            "at": "when it came",
            "tenant": "tenant",
            "stream": "list",
            "mailing": "mailing",
            "domain": "sender domain",
            "provider": "the recipient's domain",
            "key": KEY,
            "ref": "reference of the transaction, if known",
            "action": "what became of the copy",
            "class": "why",
            "code": "the server's code",
            "enhanced": "its enhanced code",
            "text": "its words; addresses are masked",
            "way": "by which way it came",
            "grade": "how good the evidence is; none of what the next hop said itself",
            "state": "pending, believed, held or released",
            "due_at": "until when it waits",
            "storm": "number of the storm that holds or held it",
        },
        ("bounces",),
        "pending and held: until that is decided",
    ),
    "storms": Holding(
        "Many unknown mailboxes of one provider at once, which a person decides on.",
        {
            "id": ROW,
            "provider": "the recipients' domain",
            "since": "when its first bounce came",
            "last_at": "when its last bounce came",
            "unknown": "how many bounces made it a storm",
            "sent": "of how many copies",
            "decision": "release or believe",
            "decided_at": "when it was decided",
            "decided_by": ACTOR,
            "reason": "why; addresses are masked",
        },
        ("bounces",),
        "open: until it is decided",
    ),
    "figures": Holding(
        "Daily sums of what went out and came back; about no person.",
        {
            "tenant": "tenant",
            "day": "day, counted from 1970",
            "stream": "list",
            "mailing": "mailing",
            "domain": "sender domain",
            "what": "what is counted",
            "amount": "count",
        },
        ("figures",),
    ),
    "provider_sends": Holding(
        "How many copies went to which recipients' domain, to tell a storm by; about no person.",
        {"provider": "domain", "start": "begin of five minutes", "amount": "count"},
        kept="as long as a storm may last, an hour at least",
    ),
    "unproven_mails": Holding(
        "How many mails came back that no listed source has signed, so that nobody fills the desk.",
        {
            "day": "day, counted from 1970",
            "source": "keyed hash of the day and the client's address (of IPv6: its /64) or what a "
            "token of ours names, or empty for all clients together",
            "amount": "count",
        },
        kept="until the next day",
    ),
}
