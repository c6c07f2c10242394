"""The hostile-input table, row by row: which tests keep it, and what makes each of them fail.

A `Row` has the input in the table's words and one `Proof` for each safety that keeps it: the edit
that takes the safety out of a copy, and a test that fails there. docs/security.md shows the list;
`tests.campaigns.hostile` runs it. What no part of the gateway takes in yet has no row.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.campaigns.broken import FAULTS, Edit


class Proof(NamedTuple):
    """Without `safety`, `test` fails; `edit` takes it out, with `also` where it is kept twice."""

    safety: str
    test: str
    edit: Edit
    also: Edit | None = None


class Row(NamedTuple):
    """One row of the table."""

    input: str
    proofs: tuple[Proof, ...]


OCTETS = "tests/faults/test_hostile_octets.py"
STARTTLS = "tests/faults/test_hostile_starttls.py"
NEXT_HOP = "tests/faults/test_hostile_next_hop.py"
SESSIONS = "tests/faults/test_hostile_sessions.py"
SLOW = "tests/faults/test_slow_customers.py"
MESSAGES = "tests/faults/test_hostile_messages.py"
SMUGGLING = "tests/e2e/test_smuggling.py"
SIGN_IN = "tests/unit/smtp/test_sign_in.py"
BOUNDARIES = "tests/contract/desk/test_boundaries.py"
UNSUBSCRIBE = "tests/unit/web/test_unsubscribe.py"
UNPROVEN = "tests/contract/records/test_unproven.py"
ENGINE = "gateway/smtp/engine.py"
FRAMING = "gateway/framing.py"
CONNECTION = "gateway/smtp/connection.py"
ENVELOPE = "gateway/smtp/envelope.py"
LOGINS = "gateway/smtp/authentication.py"
RELAY = "gateway/relay/connection.py"
REPLIES = "gateway/relay/engine.py"
HEADER = "gateway/message/header.py"
MAILBOXES = "gateway/message/mailbox_list.py"
ADDRESS = "gateway/message/address.py"
PAGES = "gateway/web/unsubscribe.py"
API = "tests/unit/web/api"
MONSTER = f"{MESSAGES}::test_a_monstrous_message_has_a_clear_answer"
WRITTEN = f"{MESSAGES}::test_the_address_that_is_checked_is_the_address_that_is_sent"
MEDDLING = f"{NEXT_HOP}::test_meddling_sends_nothing"

# fmt: off
ROWS = (
    Row("look-alikes of the end of data; bare CR, LF, NUL", (
        Proof("the check of each block of a message",
            f"{OCTETS}::test_nothing_but_a_dot_on_a_line_ends_a_message",
            FAULTS["endings"]),
        Proof("the same, before a Postfix that accepts bare newlines",
            f"{SMUGGLING}::test_no_look_alike_gives_a_second_message",
            FAULTS["endings"]),
        Proof("CR and NUL in a command",
            f"{OCTETS}::test_no_control_octet_in_a_command_reaches_the_next_hop",
            Edit(FRAMING, 'if b"\\r" in line or b"\\0" in line:', "if False:")),
        Proof("LF in a command",
            f"{OCTETS}::test_no_control_octet_in_a_command_reaches_the_next_hop",
            Edit(FRAMING,
                "                self._skipping = True\n"
                "                del buffer[: end + 1]\n"
                "                raise BareLineEnding",
                "                line = bytes(buffer[:end])\n"
                "                del buffer[: end + 1]\n"
                "                return line")),
        Proof("dots stuffed by us", f"{OCTETS}::test_dots_arrive_as_they_were_sent",
            Edit(FRAMING, 'return block.replace(b"\\r\\n.", b"\\r\\n..")', "return block")),
    )),
    Row("octets pipelined behind STARTTLS, either way", (
        Proof("a customer's octets thrown away",
            f"{STARTTLS}::test_what_comes_with_starttls_is_forgotten",
            Edit(ENGINE,
                "        self._lines.drain()\n"
                "        self._ahead = None\n"
                "        self.is_encrypted = True\n",
                "        self.is_encrypted = True\n"),
            Edit(ENGINE,
                'section 6)."""\n        self._lines.drain()\n        self._ahead = None\n',
                'section 6)."""\n')),
        Proof("EHLO needed again", f"{STARTTLS}::test_what_was_said_before_tls_counts_for_nothing",
            Edit(ENGINE, '        self.hello = ""\n        self.state = State.NEW\n', "")),
        Proof("a login in the clear forgotten",
            "tests/regressions/test_login_in_the_clear_survived_starttls.py",
            Edit("gateway/smtp/session.py",
                "    d.engine.started_tls()\n",
                "    d.engine.started_tls()\n    return\n")),
        Proof("a next hop's octets behind its 220 end the connection", MEDDLING,
            Edit(REPLIES, "if not self._places and (len(lines) or self._reply):", "if False:")),
        Proof("a next hop's surplus replies end the connection", MEDDLING,
            Edit(REPLIES,
                '            raise Garbled(f"a {code} that answers nothing")',
                "            return True")),
        Proof("`verify` insists on STARTTLS", MEDDLING,
            Edit(RELAY, "must = self.settings.tls is Tls.VERIFY", "must = False")),
        Proof("the certificate is checked",
            f"{NEXT_HOP}::test_another_s_certificate_is_not_spoken_to",
            Edit("gateway/relay/settings.py",
                "if settings.tls is Tls.OPPORTUNISTIC:",
                "if settings.tls:")),
        Proof("offers from before TLS forgotten", MEDDLING,
            Edit(RELAY,
                "        self._engine = Engine((self.settings.host, "
                "self.settings.server_name))\n"
                "        await self._greet()\n",
                "")),
    )),
    Row("AUTH before TLS; guessing", (
        Proof("AUTH refused before TLS", "tests/dialogs/test_dialogs.py::test_dialogue[starttls]",
            Edit(ENGINE, "return self.is_encrypted or not self.offer.needs_tls", "return True")),
        Proof("an unknown name costs as much time", f"{SESSIONS}::test_guessing_is_slow_and_blind",
            Edit(LOGINS,
                "        loop = asyncio.get_running_loop()\n",
                "        if login is None:\n"
                '            return ""\n'
                "        loop = asyncio.get_running_loop()\n")),
        Proof("five failures close the session", f"{SESSIONS}::test_guessing_is_slow_and_blind",
            Edit("gateway/smtp/sign_in.py", "AUTH_FAILURES = 5", "AUTH_FAILURES = 500")),
        Proof("a window per address and per name", SIGN_IN,
            Edit(LOGINS, "await self._windows.count(key, WINDOW) >= limit", "False")),
        Proof("hashing off the event loop", SIGN_IN,
            Edit(LOGINS,
                "await loop.run_in_executor(self._threads, self._hasher.verify, stored, "
                "password)",
                "self._hasher.verify(stored, password)")),
        Proof("a login remembered for five minutes", SIGN_IN,
            Edit(LOGINS, "REMEMBERED = 300.0", "REMEMBERED = 3e9")),
    )),
    Row("probing with refused recipients", (
        Proof("100 refusals a transaction", f"{SESSIONS}::test_probing_ends_at_a_hundred_refusals",
            Edit(ENVELOPE, "if d.refused >= d.snapshot.refusals_per_transaction:", "if False:")),
        Proof("a window per tenant", "tests/e2e/test_contract_probing.py",
            Edit("policies/probing.py", "if shortage is None:", "if True:")),
    )),
    Row("100 big messages at once", (
        Proof("the shared budget",
            f"{SESSIONS}::test_a_hundred_big_messages_share_the_memory_there_is",
            Edit("gateway/smtp/memory.py",
                "if self.used + octets <= self.total and not self._waiters:",
                "if True:")),
    )),
    Row("too long, too many, too deep", (
        Proof("a command line has a limit", f"{MESSAGES}::test_a_long_command_costs_one_refusal",
            Edit(FRAMING, "if len(buffer) > self._limit + 1:", "if False:")),
        Proof("998 octets a line", MONSTER,
            Edit(FRAMING, "        if _has_long_line(block):", "        if False:")),
        Proof("what has no newline is not kept", "tests/unit/test_framing.py",
            Edit(FRAMING, "        if len(buffer) < BLOCK:\n", "        if True:\n")),
        Proof("recipients of a message",
            f"{MESSAGES}::test_ten_thousand_recipients_are_counted_off",
            Edit("policies/recipients.py", "        if len(group) <= room:", "        if True:")),
        Proof("fields of a header section", MONSTER,
            Edit(HEADER, "if lines - folded > MAX_FIELDS:", "if False:")),
        Proof("octets of a header section", MONSTER,
            Edit(HEADER, "if len(header) > MAX_OCTETS:", "if False:"),
            Edit("gateway/message/received.py",
                "self._in_header = len(self._header) <= MAX_OCTETS",
                "self._in_header = True")),
        Proof("octets of an address field (16,000 encoded words)", MONSTER,
            Edit(MAILBOXES, "if len(value) > MAX_OCTETS:", "if False:")),
        Proof("depth of comments", MONSTER,
            Edit(MAILBOXES, "if depth > MAX_COMMENT_DEPTH:", "if False:")),
    )),
    Row("one octet a second; half a handshake; a reader that never reads", (
        Proof("a command is timed as a whole",
            f"{SLOW}::test_a_command_that_comes_octet_by_octet_is_timed_out",
            Edit(CONNECTION,
                "        self.has_heard = True\n",
                "        self.has_heard = True\n"
                "        self.waiting_since = self.loop.time()\n")),
        Proof("message data has a least speed",
            f"{SLOW}::test_a_message_that_comes_octet_by_octet_is_timed_out",
            Edit(CONNECTION, "if spent > SLOW_GRACE and", "if False and")),
        Proof("a handshake has a limit", f"{SLOW}::test_half_a_handshake_is_dropped",
            Edit(CONNECTION, "ssl_handshake_timeout=patience", "ssl_handshake_timeout=600")),
        Proof("handshakes count as connections",
            f"{SESSIONS}::test_half_handshakes_count_as_connections",
            Edit("gateway/smtp/listener.py",
                "if services.watch.is_flooded_by(peer):",
                "if False:")),
        Proof("a reader has a limit", f"{SLOW}::test_a_reader_that_never_reads_is_dropped",
            Edit(CONNECTION, "if self._stalled_since and now -", "if False and now -")),
    )),
    Row("addresses with two readings", (
        Proof("one From field", MONSTER,
            Edit("policies/message_sanity.py", "if names.count(name) > 1:", "if False:"),
            Edit("policies/senders.py", "if not least <= len(found) <= most:", "if False:")),
        Proof("a second address in a name", MONSTER,
            Edit(MAILBOXES,
                'startswith(b",", place):\n            _refuse(value, place)\n',
                'startswith(b",", place):\n            return found\n')),
        Proof("`%` and `!` in a local part", WRITTEN,
            Edit(ADDRESS, '    if "%" in local or "!" in local:\n', "    if False:\n"),
            Edit(ADDRESS, "A-Za-z0-9#$&", "A-Za-z0-9#!%$&")),
        Proof("domains that only map to a name", WRITTEN,
            Edit(ENVELOPE, "        a_label(address.domain)\n", "        pass\n")),
        Proof("an address is sent as it was checked", WRITTEN,
            Edit(REPLIES,
                'f"RCPT TO:<{_one_line(recipient)}>',
                'f"RCPT TO:<{_one_line(recipient).lower()}>')),
    )),
    Row("parameters, SMTPUTF8 and BDAT that are not offered", (
        Proof("unknown parameters", "tests/dialogs/test_dialogs.py::test_dialogue[envelope]",
            Edit("gateway/smtp/parameters.py",
                "raise ParameterError(replies.PARAMETER.fill(name=name))",
                "continue")),
        Proof("SMTPUTF8 to a next hop without it", "tests/unit/relay/test_transaction.py",
            Edit("gateway/relay/hops.py",
                "if not smtputf8 or connection.offers.smtputf8:",
                "if True:")),
        Proof("a chunk's octets are no commands", f"{SMUGGLING}::test_no_chunk_gives_a_message",
            Edit(ENGINE, "if type(command) is Invalid and command.chunk:", "if False:")),
    )),
    Row("control characters in what we write", (
        Proof("in a reply", "tests/unit/relay/test_answers.py",
            Edit("gateway/reply.py", 'return _UNSAFE.sub("?", text)', "return text")),
        Proof("in a header field of ours", "tests/unit/message/test_received_field.py",
            Edit("gateway/message/received_field.py",
                'name = helo if _HOST.fullmatch(helo) else "unknown"',
                "name = helo")),
        Proof("in a line of the journal", f"{OCTETS}::test_what_a_stranger_says_is_one_line",
            Edit("gateway/journal.py",
                "return orjson.dumps(record, _as_text, orjson.OPT_APPEND_NEWLINE)",
                "return orjson.dumps(record, _as_text, "
                'orjson.OPT_APPEND_NEWLINE).replace(b"\\\\n", b"\\n")')),
        Proof("on a terminal", "tests/unit/journal/test_explanation.py",
            Edit("gateway/explanation.py",
                'c if c.isprintable() else "\\N{REPLACEMENT CHARACTER}"',
                "c")),
        Proof("formulas in a CSV cell", "tests/unit/suppression/test_listfile.py",
            Edit("suppression/listfile.py",
                "if cell.startswith(_FORMULA) else",
                "if False else")),
    )),
    Row("forged tokens, link scanners, a hundred POSTs", (
        Proof("a token's tag", "tests/unit/suppression/test_tokens.py",
            Edit("suppression/tokens.py",
                "if not compare_digest(_tag(mac, purpose, body), tag):",
                "if False:")),
        Proof("the same answer for every token that is not ours", UNSUBSCRIBE,
            Edit(PAGES,
                "raise HTTPException(HTTPStatus.NOT_FOUND)",
                "raise HTTPException(410 if len(text) == 52 else 404)")),
        Proof("GET changes nothing", UNSUBSCRIBE,
            Edit(PAGES,
                "found = await current().recipients.look(token)",
                'found = await current().recipients.choose(token, Choice(), "page")')),
        Proof("GET confirms nothing", "tests/unit/web/test_confirm.py",
            Edit("gateway/web/confirm.py",
                "await current().recipients.question(token)",
                "await current().recipients.answer(token, True, visit_of(request, ()))")),
        Proof("one effect", "tests/unit/web/test_server.py",
            Edit("gateway/records/suppressions.py",
                'standing_index.c.code == bindparam("code"),\n        or_(',
                'standing_index.c.code == -bindparam("code"),\n        or_(')),
    )),
    Row("stale, mixed and forged tokens in mail and in what comes back", (
        Proof("a customer's own fields with tokens are removed",
            "tests/unit/message/test_stamp.py::test_marks_of_others_are_removed",
            Edit("gateway/message/stamp.py",
                'b"return-path", *TRACE_FIELDS})', 'b"return-path", TRACE_FIELDS[0]})')),
        Proof("and links of theirs that would be read as ours",
            "tests/unit/message/test_stamp.py::test_no_pair_stays_that_would_be_read_as_ours",
            Edit("gateway/message/stamp.py",
                "if needs_pair or has_tokens else", "if needs_pair else")),
        Proof("return paths count at our own domain only", "tests/unit/feedback/test_traces.py",
            Edit("gateway/feedback/traces.py",
                'if said and said[2].lower().rstrip(".") == domain:', "if said:")),
        Proof("nobody's copy under another's return path",
            "tests/unit/relay/test_return_paths.py",
            Edit("gateway/relay/transaction.py",
                "if self._mailed != sender or tuple(", "if self._mailed is None or tuple(")),
        Proof("a forged token spoils those beside it", "tests/unit/feedback/test_traces.py",
            Edit("gateway/feedback/traces.py", "agrees = not is_forged and", "agrees =")),
        Proof("two tokens that disagree count for nothing", "tests/unit/feedback/test_traces.py",
            Edit("gateway/feedback/traces.py",
                "max(len(streams), len(keys), len(mailings)) <= 1", "True")),
    )),
    Row("a flood of mail to the abuse mailbox", (
        Proof("each source has its room", UNPROVEN,
            Edit("gateway/records/unproven.py",
                "kept.get(source, 0) >= most.per_source:", "False:")),
        Proof("and all of them together", UNPROVEN,
            Edit("gateway/records/unproven.py",
                "kept.get(EVERYBODY, 0) >= most.per_day:", "False:")),
        Proof("strangers take no room of what is proven", UNPROVEN,
            Edit("gateway/records/unproven.py", "token or network", "network")),
        Proof("each token has its room", UNPROVEN,
            Edit("gateway/records/unproven.py", ">= most.per_token", "< 0")),
    )),
    Row("mail that comes back: nested, in parts, with bombs in it", (
        Proof("multiparts are followed to a depth",
            "tests/unit/feedback/test_parse.py::test_what_lies_too_deep_or_too_far_is_not_looked_at",
            Edit("gateway/feedback/mime.py", "and depth < MAX_DEPTH:", "and depth >= 0:")),
        Proof("so many parts are looked at",
            "tests/unit/feedback/test_parse.py::test_what_lies_too_deep_or_too_far_is_not_looked_at",
            Edit("gateway/feedback/mime.py",
                "while waiting and looked_at < MAX_PARTS:", "while waiting:")),
        Proof("JSON is nested to a depth",
            "tests/unit/feedback/test_parser_promises.py::test_a_bomb_is_read_within_bounds",
            Edit("gateway/feedback/xarf.py", " or _depth(content) > MAX_DEPTH:", ":")),
        Proof("texts are of visible characters",
            "tests/unit/feedback/test_parser_promises.py::test_a_bomb_is_read_within_bounds",
            Edit("gateway/feedback/mime.py",
                "line if line.isprintable() else _visible(line) for line in each", "each")),
        Proof("our mail is given back as whole header fields",
            "tests/unit/feedback/test_parse.py::test_an_original_is_whole_header_fields",
            FAULTS["odd-fields"]),
        Proof("a report of two types is of none", "tests/unit/feedback/test_fixtures.py",
            Edit("gateway/feedback/arf.py", "if len(types) != 1:", "if not types:")),
    )),
    Row("a visitor's word on who they are", (
        Proof("only proxies that are ours are believed", "tests/unit/web/test_visitor.py",
            Edit("gateway/web/visitor.py", "if _is_ours(ip, proxies):", "if True:")),
        Proof("fields that contradict each other name nobody", "tests/unit/web/test_visitor.py",
            Edit("gateway/web/visitor.py",
                "if chains and all(chain == chains[0] for chain in chains)",
                "if chains")),
    )),
    Row("markup in what a page shows", (
        Proof("strict headers", "tests/unit/web/test_pages.py",
            Edit("gateway/web/app.py", "default-src 'none'; ", "default-src *; ")),
        Proof("a consent text is escaped", "tests/unit/web/test_confirm.py",
            Edit("gateway/web/templates/confirm.html",
                "{{ found.text }}", "{{ found.text | safe }}")),
    )),
    Row("markup in what strangers write to the desk", (
        Proof("text is text on the desk", "tests/contract/desk/test_markup.py",
            Edit("gateway/web/desk/pages.py", "autoescape=True", "autoescape=False")),
        Proof("and on status pages", "tests/contract/status/test_markup.py",
            Edit("gateway/web/pages.py", "autoescape=True", "autoescape=False")),
    )),
    Row("forged forms, stolen and planted sessions, roles", (
        Proof("a form shows its session's token", BOUNDARIES,
            Edit("gateway/web/desk/gate.py",
                "if not hmac.compare_digest(token.encode(), who.csrf.encode()):", "if False:")),
        Proof("a POST comes from a page of ours", BOUNDARIES,
            Edit("gateway/web/desk/gate.py",
                'if site is not None and site != "same-origin":', "if False:"),
            Edit("gateway/web/desk/gate.py",
                'return urlsplit(origin).netloc in (headers.get("host", ""), link.netloc)',
                "return True")),
        Proof("a new session after the second factor", "tests/contract/desk/test_sign_in.py",
            Edit("gateway/records/staff_sessions.py",
                "    end(connection, digest)\n    return _begin(", "    return _begin(")),
    )),
    Row("uploads of tenants", (
        Proof("a picture is drawn anew", "tests/unit/uploads/test_drawing.py",
            Edit("gateway/uploads/intake.py",
                "Upload(made.media_type, made.octets,", "Upload(made.media_type, octets,")),
        Proof("acting needs the pass of a mailed code",
            "tests/contract/status/test_status_codes.py",
            Edit("gateway/web/status/acts.py",
                "    if not passes.is_good(parts.keyring, named.link, link_pass, parts.clock()):",
                "    if False:")),
    )),
    Row("programs that call the API", (
        Proof("a token is taken in its own spelling only", "tests/unit/web/test_token_flips.py",
            Edit("gateway/records/api_tokens.py",
                "    if not _TEXT.fullmatch(text):",
                "    text = text.lower()\n    if not _TEXT.fullmatch(text):")),
        Proof("a tenant's token sees that tenant", f"{API}/test_suppressions.py",
            Edit("gateway/web/api/parts.py",
                'return self.is_staff or scope.partition("/")[0] == self.tenant',
                "return True")),
        Proof("what may not be disclosed is hidden", f"{API}/test_suppressions.py",
            Edit("gateway/web/api/entries.py",
                "is_told = entry.is_disclosable and entry.id not in restricted",
                "is_told = entry.id not in restricted")),
        Proof("staff see masked addresses", f"{API}/test_suppressions.py",
            Edit("gateway/web/api/entries.py",
                "    if caller.is_staff:\n        return False",
                "    if caller.is_staff:\n        return True")),
        Proof("nobody makes a cursor up", f"{API}/test_suppressions.py",
            Edit("gateway/web/api/pagination.py",
                "if urlsafe_b64encode(octets).decode() != text or not any(",
                "if False and not any(")),
        Proof("a call sent twice has one effect", f"{API}/test_idempotency.py",
            Edit("gateway/web/api/call.py",
                "keep(connection, token, names, request, answer, now)",
                "pass")),
        Proof("calls of one token a minute", f"{API}/test_gate.py",
            Edit("gateway/web/api/rates.py", "return self.left < 0", "return False")),
        Proof("octets of a body", f"{API}/test_gate.py",
            Edit("gateway/web/api/gate.py", "if len(body) > limit:", "if False:")),
    )),
)
# fmt: on
