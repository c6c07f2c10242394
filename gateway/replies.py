"""Every reply the gateway gives in its own name.

Tags are public API. docs/replies.md is generated from `CATALOGUE`; `BY_TAG` finds a reply. Their
texts hold `{placeholders}` that `Reply.fill` fills.
"""

from __future__ import annotations

from gateway.reply import ENHANCED, Reply, clean

# ---- connection and session ---------------------------------------------------------------

CONN_LIMIT = Reply(
    421,
    "4.7.0",
    "CONN-LIMIT",
    "Too many connections, try again shortly",
    "Your address, or the gateway as a whole, holds as many connections as it may. Close idle "
    "connections, send over fewer at a time, and try again.",
)
SHUTDOWN = Reply(
    421,
    "4.3.2",
    "SHUTDOWN",
    "Service is restarting, try again in a minute",
    "The gateway is being restarted or drained. Nothing is wrong with your mail; send it again.",
)
TIMEOUT = Reply(
    421,
    "4.4.2",
    "TIMEOUT",
    "Nothing arrived in time, closing the connection",
    "The connection was silent, or slower than the minimum rate, for too long.",
)
BATCH_IDLE = Reply(
    421,
    "4.7.1",
    "BATCH-IDLE",
    "Another of your connections waits for this one, which sent nothing for {seconds} s",
    "Your contract allows one open transaction at a time. This one was idle while another of your "
    "connections waited in line, so it was closed. Its message was not taken; send it again.",
)
TOO_MANY_ERRORS = Reply(
    421,
    "4.7.0",
    "TOO-MANY-ERRORS",
    "Too many commands were refused, closing",
    "The session collected more refused or unknown commands than a working client makes.",
)
SYNTAX = Reply(
    500,
    "5.5.2",
    "SYNTAX",
    "Command not recognised",
    "The command is not one this gateway knows, or is not written as RFC 5321 says.",
)
LINE_TOO_LONG = Reply(
    500,
    "5.5.2",
    "LINE-TOO-LONG",
    "Command line is too long",
    "A command line may have 512 octets, plus what announced extensions add (RFC 5321).",
)
BAD_LINE = Reply(
    501,
    "5.5.2",
    "BAD-LINE",
    "Command has a bare CR, a bare LF or a NUL",
    "Lines end with CR LF and hold neither character alone, nor NUL.",
)
ARGUMENTS = Reply(
    501,
    "5.5.4",
    "ARGUMENTS",
    "{problem}",
    "The command's arguments are not written as RFC 5321 says.",
)
PARAMETER = Reply(
    555,
    "5.5.4",
    "PARAMETER",
    "Parameter {name} is not supported here",
    "MAIL or RCPT carried an ESMTP parameter that EHLO did not announce.",
)
NOT_IMPLEMENTED = Reply(
    502,
    "5.5.1",
    "NOT-IMPLEMENTED",
    "{verb} is not offered here",
    "The command exists in SMTP but this gateway does not offer it.",
)
SEQUENCE = Reply(
    503,
    "5.5.1",
    "SEQUENCE",
    "{problem}",
    "The command came at a point where it has no meaning; the text says what must come first.",
)
TLS_REQUIRED = Reply(
    530,
    "5.7.0",
    "TLS-REQUIRED",
    "Start TLS first (STARTTLS)",
    "This listener takes mail over encrypted connections only. Turn on STARTTLS or TLS in your "
    "mailing software.",
)
AUTH_REQUIRED = Reply(
    530,
    "5.7.0",
    "AUTH-REQUIRED",
    "Sign in first (AUTH)",
    "Give your mailing software the login and password you received from your provider.",
)
AUTH_BEFORE_TLS = Reply(
    538,
    "5.7.11",
    "AUTH-BEFORE-TLS",
    "Signing in needs TLS first",
    "A password would have been readable on the way. Turn on STARTTLS or TLS.",
)
AUTH = Reply(
    535,
    "5.7.8",
    "AUTH",
    "Login or password is wrong",
    "The login is unknown, the password is wrong, or the stream behind the slash does not exist.",
)
AUTH_LOCK = Reply(
    421,
    "4.7.0",
    "AUTH-LOCK",
    "Too many failed sign-ins, try again at {time}",
    "Your address or your login had too many failed sign-ins. Mend the stored password, then wait "
    "for the time named.",
)
AUTH_MECHANISM = Reply(
    504,
    "5.5.4",
    "AUTH-MECHANISM",
    "Use AUTH PLAIN or AUTH LOGIN",
    "Only the mechanisms that EHLO lists are offered.",
)
AUTH_CANCELLED = Reply(501, "5.7.0", "AUTH-CANCELLED", "Sign-in cancelled", "The client sent `*`.")
AUTH_ENCODING = Reply(
    501,
    "5.5.2",
    "AUTH-ENCODING",
    "Sign-in data is not valid base64",
    "The client's sign-in data could not be decoded (RFC 4954 section 4).",
)
AUTH_TEMP = Reply(
    454,
    "4.7.0",
    "AUTH-TEMP",
    "Sign-in cannot be checked now, try again",
    "A store the gateway needs is away. Nothing is wrong with your password.",
)
TERMINATED = Reply(
    525,
    "5.7.13",
    "TERMINATED",
    "This account may not send any more",
    "The operator has ended the service for this login. Contact your provider.",
)
CLIENT_ADDRESS = Reply(
    550,
    "5.7.1",
    "CLIENT-ADDRESS",
    "This address may not send here",
    "The listener takes mail from registered client addresses only, and yours is not one.",
)

# ---- MAIL -----------------------------------------------------------------------------------

SENDER_SYNTAX = Reply(
    553,
    "5.1.7",
    "SENDER-SYNTAX",
    "The sender address is malformed: {problem}",
    "The address in MAIL FROM is not a mailbox as RFC 5321 section 4.1.2 writes it.",
)
SENDER = Reply(
    553,
    "5.7.1",
    "SENDER",
    "{domain} is not registered as your sender domain",
    "The address in MAIL FROM must be in a domain that your provider registered for you. An empty "
    "sender is taken on transactional streams only.",
)
DOMAIN_BLOCKED = Reply(
    550,
    "5.7.1",
    "DOMAIN-BLOCKED",
    "{domain} is blocked, case {case}, {items} items open",
    "Sending from this domain was stopped because the rules of the service were broken, or by the "
    "operator's decision. The link in the refusal leads to the case: why, what to do, until when. "
    "Where there is none, contact your provider and name the case.",
)
TENANT_CLOSED = Reply(
    451,
    "4.7.1",
    "TENANT-CLOSED",
    "Sending is not open yet",
    "Your provider opens sending once the confirmations that your contract asks for are on "
    "record. Nothing is lost: your software will try again.",
)
STREAM_CLOSED = Reply(
    451,
    "4.7.1",
    "STREAM-CLOSED",
    "Stream {stream} is not open",
    "This stream of yours is switched off; your provider can open it.",
)
BATCH_BUSY = Reply(
    451,
    "4.7.1",
    "BATCH-BUSY",
    "{open} of {limit} batches are open; one at a time, waited {seconds} s",
    "Your contract allows one open transaction at a time, across all your connections. Send over "
    "one connection; a message that comes while another is open waits in line first.",
)
BYTES = Reply(
    451,
    "4.7.1",
    "BYTES",
    "{used} of {limit} bytes in 24 h are used; enough is free again at {time}",
    "Your contract limits the octets relayed in any 24 hours (size times copies). Space returns "
    "as older mail leaves the window. More can be announced 24 hours ahead.",
)
TOO_BIG = Reply(
    552,
    "5.3.4",
    "TOO-BIG",
    "Message of {size} bytes exceeds the limit of {limit}",
    "The message is larger than one message may be, or needs more than the whole daily byte limit.",
)
RATE = Reply(
    451,
    "4.7.1",
    "RATE",
    "{used} of {limit} {unit} per {window} are used; free again at {time}",
    "A limit on messages or recipients per minute, hour or day is reached. Your software will try "
    "again.",
)
SMTPUTF8 = Reply(
    550,
    "5.6.7",
    "SMTPUTF8",
    "The next hop does not take internationalised addresses",
    "The mail asks for SMTPUTF8 (RFC 6531), which the provider's mail server does not offer.",
)
NEEDS_SMTPUTF8 = Reply(
    553,
    "5.6.7",
    "NEEDS-SMTPUTF8",
    "Non-ASCII addresses need SMTPUTF8 on MAIL",
    "An address has characters outside ASCII but MAIL did not ask for SMTPUTF8 (RFC 6531).",
)

# ---- RCPT -----------------------------------------------------------------------------------

RCPT_SYNTAX = Reply(
    553,
    "5.1.3",
    "RCPT-SYNTAX",
    "The recipient address is malformed: {problem}",
    "The address in RCPT TO is not a mailbox as RFC 5321 section 4.1.2 writes it; source routes "
    "and the % form are refused.",
)
RCPT_LIMIT = Reply(
    452,
    "4.5.3",
    "RCPT-LIMIT",
    "{limit} recipients per message are taken; send the rest in another message",
    "A message may have that many recipients. Those accepted stand; software that follows "
    "RFC 5321 section 4.5.3.1.10 sends the rest in a further transaction.",
)
RCPT_REFUSALS = Reply(
    421,
    "4.7.0",
    "RCPT-REFUSALS",
    "{count} recipients were refused, closing",
    "So many refused recipients in one transaction look like a list that was never cleaned, or "
    "like guessing. Remove refused addresses from the list.",
)
UNSUB = Reply(
    550,
    "5.7.1",
    "UNSUB",
    "The recipient unsubscribed or objected",
    "The recipient asked not to get this mail. Remove the address from the list; only the "
    "recipient's own newer consent can undo it.",
)
COMPLAINT = Reply(
    550,
    "5.7.1",
    "COMPLAINT",
    "The recipient complained about your mail",
    "The recipient reported your mail as unwanted. Remove the address everywhere.",
)
PROTECTED = Reply(
    550,
    "5.7.1",
    "PROTECTED",
    "The address is protected and wants no such mail",
    "The owner of the address, or of its whole domain, had it protected from all such mail. "
    "Remove it; repeated attempts lead to a block of your sender domain.",
)
BOUNCED = Reply(
    550,
    "5.1.1",
    "BOUNCED",
    "Mail to this address bounced before",
    "Earlier mail to the address was returned as undeliverable. Remove it from the list.",
)
NO_OPTIN = Reply(
    550,
    "5.7.1",
    "NO-OPTIN",
    "No consent of level {level} is on record",
    "This stream may mail only people whose consent is on record. Import the consents, or have "
    "the person confirm.",
)
PRE_CHECK = Reply(
    451,
    "4.7.1",
    "PRE-CHECK",
    "Pre-check the list first, no valid receipt covers this address",
    "Your provider asks for a pre-check of the list within 24 hours before each mailing on this "
    "stream. Pre-check it; your software will try again, and the mail passes to those who were "
    "cleared. The address itself is not wrong: do not remove it.",
)
POLICY = Reply(
    550,
    "5.7.1",
    "POLICY",
    "This mail may not be sent to this recipient",
    "A rule of the service refuses this mail. Your provider can tell more; name the ref.",
)

# ---- message ----------------------------------------------------------------------------------

NO_RECIPIENTS = Reply(
    554,
    "5.5.1",
    "NO-RECIPIENTS",
    "No valid recipients",
    "DATA came although no recipient of this transaction was accepted.",
)
FROM_ALIGN = Reply(
    550,
    "5.7.1",
    "FROM-ALIGN",
    "{problem}",
    "The message must have exactly one From field with one address, and From and Sender must be "
    "in a domain that your provider registered for you.",
)
BAD_MESSAGE = Reply(
    550,
    "5.6.0",
    "BAD-MESSAGE",
    "{problem}",
    "The message is not written as RFC 5322 says; the text names what to mend.",
)
LOOP = Reply(
    550,
    "5.4.6",
    "LOOP",
    "The message has been through too many servers, or here before",
    "The Received fields show a mail loop.",
)
UNSUB_REQUIRED = Reply(
    550,
    "5.7.1",
    "UNSUB-REQUIRED",
    "{problem}",
    "Mail on a list stream must carry a working unsubscribe header pair (RFC 2369, RFC 8058). The "
    "gateway adds it unless that is turned off.",
)
MEMORY = Reply(
    452,
    "4.3.1",
    "MEMORY",
    "No room for this message now, try again shortly",
    "The messages in flight fill the gateway's memory budget. Nothing is wrong with yours.",
)
STORAGE = Reply(
    452,
    "4.3.1",
    "STORAGE",
    "Storage is not writable now, try again shortly",
    "The gateway cannot record what it does, so it does nothing. Your mail was not taken.",
)
TEMP = Reply(
    451,
    "4.3.0",
    "TEMP",
    "A check could not be made, try again shortly",
    "Something inside the gateway did not answer in time. Nothing is wrong with your mail.",
)

# ---- relay ------------------------------------------------------------------------------------

NEXT_HOP_AWAY = Reply(
    451,
    "4.4.1",
    "NEXT-HOP-AWAY",
    "The next server does not answer, try again",
    "The provider's mail server could not be reached. Your mail was not taken; send it again.",
)
NEXT_HOP_BUSY = Reply(
    451,
    "4.4.5",
    "NEXT-HOP-BUSY",
    "All connections to the next server stayed busy, try again in a few minutes",
    "So much mail is on its way to the provider's mail server that yours found no place. It was "
    "not taken, and nothing is wrong with it; send it again.",
)
NEXT_HOP_SILENT = Reply(
    451,
    "4.4.2",
    "NEXT-HOP-SILENT",
    "The next server broke off, try again",
    "The provider's mail server stopped answering. Your software's retry sends what is missing.",
)
NEXT_HOP = Reply(
    451,
    "4.3.5",
    "NEXT-HOP",
    "The next server refuses this gateway, try again later",
    "The provider's mail server does not accept the gateway itself. The operator has been alarmed; "
    "nothing is wrong with your mail.",
)
REFUSED_TEMP = Reply(
    451,
    "4.0.0",
    "RELAY-TEMP",
    "{text}",
    "The provider's mail server put the mail off; its own words follow the tag.",
)
REFUSED = Reply(
    550,
    "5.0.0",
    "RELAY-REFUSED",
    "{text}",
    "The provider's mail server refused the mail or the recipient; its own words follow the tag.",
)
PARTIAL = Reply(
    451,
    "4.4.0",
    "PARTIAL",
    "{taken} of {total} taken; a retry sends the rest",
    "Some recipients' copies are on their way, others not yet. Send the same message again: what "
    "was taken is not sent twice.",
)


def refused_by_next_hop(code: int, enhanced: str, text: str) -> Reply:
    """The next hop's refusal in our form: its own code and enhanced code, its text cleaned."""
    shape = REFUSED if code >= 500 else REFUSED_TEMP
    fitting = enhanced if ENHANCED.match(enhanced) and int(enhanced[0]) == code // 100 else ""
    return Reply(code, fitting or f"{code // 100}.0.0", shape.tag, clean(text), shape.explanation)


CATALOGUE: tuple[Reply, ...] = tuple(v for v in list(globals().values()) if isinstance(v, Reply))
"""Every tagged reply, in the order a session can meet it."""

BY_TAG: dict[str, Reply] = {reply.tag: reply for reply in CATALOGUE}
