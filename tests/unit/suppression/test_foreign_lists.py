"""Lists of other services: every record is taken for what it says, or told with its line."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suppression.dialects import Dialect, Part, part_of
from suppression.foreign_export import Outgoing, parts_of, write_foreign
from suppression.foreign_lists import Format, read_foreign, recognise_text
from suppression.listfile import BadRow, Row
from suppression.standing import Reason, Stops

SES_JSON = """{
    "SuppressedDestinationSummaries": [
        {
            "EmailAddress": "gone@x.example",
            "Reason": "BOUNCE",
            "LastUpdateTime": "2026-04-10T21:03:05.123000+00:00"
        },
        {
            "EmailAddress": "angry@x.example",
            "Reason": "COMPLAINT",
            "LastUpdateTime": 1586552585.077
        },
        {"EmailAddress": "odd@x.example", "Reason": "WHIM", "LastUpdateTime": 1586552585}
    ],
    "NextToken": "AAMAAQ"
}
"""
SES_ONE = """{"SuppressedDestination": {"EmailAddress": "gone@x.example", "Reason": "BOUNCE",
 "LastUpdateTime": "2026-04-10T21:03:05+00:00", "Attributes": {"MessageId": "0100"}}}"""
SES_LINES = """{"emailAddress": "gone@x.example", "reason": "BOUNCE"}
{"emailAddress": "angry@x.example", "reason": "COMPLAINT"}
"""
SES_BARE = "gone@x.example,BOUNCE\nangry@x.example, COMPLAINT\nodd@x.example,OTHER\n"
SES_CSV = """LastUpdateTime;EmailAddress;Reason
2026-04-10T21:03:05+00:00;gone@x.example;BOUNCE
"""
SENDGRID_BOUNCES = """status,reason,email,created
5.1.1,"550 5.1.1 <gone@x.example>: Recipient
address rejected: ""unknown"", sorry",gone@x.example,1790083507
4.0.0,451 Try later,late@x.example,1790083508
5.1.1,550,nobody,1790083509
5.1.1,550,soon@x.example,tomorrow
"""
SENDGRID_SPAM = "ip,email,created\n192.0.2.7,angry@x.example,1790083507\n"
SENDGRID_INVALID = (
    "reason,email,created\nMail domain mentioned is unknown,x@nx.example,1790083507\n"
)
SENDGRID_UNSUBSCRIBES = "email,created\nleft@x.example,1790083507\n"
SENDGRID_JSON = """[
  {"created": 1790083507, "email": "gone@x.example", "reason": "550 5.1.1", "status": "5.1.1"},
  {"created": 1790083508, "email": "angry@x.example", "ip": "192.0.2.7"},
  7
]"""
SENDGRID_GROUPS = """{"suppressions": [{"email": "left@x.example", "group_id": 1,
 "group_name": "Weekly News", "created_at": 1790083507}]}"""
MAILGUN_BOUNCES = """address,code,error,created_at
gone@x.example,550,No such mailbox,"Fri, 21 Oct 2011 11:02:55 UTC"
full@x.example,550,,"Mon, 01 Jan 0001 00:00:00 UTC"
"""
MAILGUN_UNSUBSCRIBES = """tags\taddress\tcreated_at
*\tleft@x.example\tTue, 07 Jan 2025 19:25:45 GMT
"""
MAILGUN_COMPLAINTS = "address,created_at\nangry@x.example,2011-10-21T11:02:55Z\n"
MAILGUN_JSON = """{"items": [
  {"address": "gone@x.example", "code": "550", "error": "No such mailbox",
   "created_at": "Fri, 21 Oct 2011 11:02:55 GMT", "MessageHash": "ab12"},
  {"address": "left@x.example", "tags": ["*"], "created_at": "Fri, 21 Oct 2011 11:02:55 UTC"},
  {"address": "angry@x.example", "created_at": "Fri, 21 Oct 2011 11:02:55 UTC"}
 ], "paging": {"first": "https://example.com/first", "next": "https://example.com/next"}}
"""
POSTMARK_JSON = """{
  "Suppressions": [
    {"EmailAddress": "left@x.example", "SuppressionReason": "ManualSuppression",
     "Origin": "Recipient", "CreatedAt": "2019-12-17T08:58:33-05:00"},
    {"EmailAddress": "gone@x.example", "SuppressionReason": "HardBounce",
     "Origin": "Recipient", "CreatedAt": "2019-12-17T08:58:33-05:00"},
    {"EmailAddress": "angry@x.example", "SuppressionReason": "SpamComplaint",
     "Origin": "Recipient", "CreatedAt": "2019-12-17T08:58:33-05:00"},
    {"EmailAddress": "set@x.example", "SuppressionReason": "ManualSuppression",
     "Origin": "Customer", "CreatedAt": "2019-12-17T08:58:33-05:00"},
    {"EmailAddress": "odd@x.example", "SuppressionReason": "Whim", "Origin": "Admin"}
  ]
}"""
POSTMARK_CSV = """Origin,EmailAddress,CreatedAt,SuppressionReason
Recipient,gone@x.example,2019-12-17T08:58:33-05:00,HardBounce
"""
SPARKPOST_JSON = """{"results": [
  {"recipient": "left@x.example", "type": "non_transactional", "source": "List Unsubscribe",
   "description": "Unsubscribed using the header", "created": "2017-10-01T12:00:00+00:00",
   "updated": "2017-10-01T12:00:00+00:00", "transactional": false, "non_transactional": true},
  {"recipient": "gone@x.example", "type": "transactional", "source": "Bounce Rule",
   "description": "550", "created": "2017-10-01T12:00:00+00:00"},
  {"recipient": "angry@x.example", "type": "non_transactional", "source": "Spam Complaint"},
  {"recipient": "set@x.example", "type": "non_transactional", "source": "Manually Added"},
  {"recipient": "law@x.example", "type": "transactional", "source": "Compliance"},
  {"recipient": "odd@x.example", "type": "sometimes", "source": "Manually Added"}
 ], "total_count": 6, "links": []}"""
SPARKPOST_CSV = "recipient,type,description\nset@x.example,transactional,Example data import\n"
SPARKPOST_OLD = """recipient,transactional,non_transactional,description,subaccount_id
set@x.example,true,true,Example data import,0
few@x.example,false,true,Example data import,0
none@x.example,false,false,Example data import,0
"""

BOUNCE, SOFT, COMPLAINT = "hard_bounce", "soft_bounce", "complaint"
UNSUB, MANUAL = "unsubscribe", "manual"


@pytest.mark.parametrize(
    ("dialect", "text", "part", "expected"),
    [
        ("ses", SES_JSON, None, [(3, "gone", BOUNCE), (8, "angry", COMPLAINT), (13, "", "WHIM")]),
        ("ses", SES_ONE, None, [(1, "gone", BOUNCE)]),
        ("ses", SES_LINES, None, [(1, "gone", BOUNCE), (2, "angry", COMPLAINT)]),
        ("ses", SES_BARE, None, [(1, "gone", BOUNCE), (2, "angry", COMPLAINT), (3, "", "OTHER")]),
        ("ses", SES_CSV, None, [(2, "gone", BOUNCE)]),
        (
            "sendgrid",
            SENDGRID_BOUNCES,
            Part.BOUNCES,
            [(2, "gone", BOUNCE), (4, "late", BOUNCE), (5, "", "nobody"), (6, "", "no date")],
        ),
        ("sendgrid", SENDGRID_BOUNCES, Part.BLOCKS, [(2, "gone", SOFT), (4, "late", SOFT)]),
        ("sendgrid", SENDGRID_BOUNCES, None, [(2, "", "--part"), (4, "", "--part")]),
        ("sendgrid", SENDGRID_SPAM, None, [(2, "angry", COMPLAINT)]),
        ("sendgrid", SENDGRID_INVALID, None, [(2, "x", BOUNCE)]),
        ("sendgrid", SENDGRID_UNSUBSCRIBES, None, [(2, "left", UNSUB)]),
        (
            "sendgrid",
            SENDGRID_JSON,
            None,
            [(2, "", "--part"), (3, "angry", COMPLAINT), (4, "", "")],
        ),
        ("sendgrid", SENDGRID_GROUPS, None, [(1, "left", UNSUB)]),
        ("sendgrid", '["left@x.example"]', Part.UNSUBSCRIBES, [(1, "left", UNSUB)]),
        ("mailgun", MAILGUN_BOUNCES, None, [(2, "gone", BOUNCE), (3, "full", BOUNCE)]),
        ("mailgun", MAILGUN_UNSUBSCRIBES, None, [(2, "left", UNSUB)]),
        ("mailgun", MAILGUN_COMPLAINTS, None, [(2, "angry", COMPLAINT)]),
        (
            "mailgun",
            MAILGUN_JSON,
            None,
            [(2, "gone", BOUNCE), (4, "left", UNSUB), (5, "angry", COMPLAINT)],
        ),
        (
            "postmark",
            POSTMARK_JSON,
            None,
            [
                (3, "left", UNSUB),
                (5, "gone", BOUNCE),
                (7, "angry", COMPLAINT),
                (9, "set", MANUAL),
                (11, "", "Whim"),
            ],
        ),
        ("postmark", POSTMARK_CSV, None, [(2, "gone", BOUNCE)]),
        (
            "sparkpost",
            SPARKPOST_JSON,
            None,
            [
                (2, "left", UNSUB),
                (5, "gone", BOUNCE),
                (7, "angry", COMPLAINT),
                (8, "set", MANUAL),
                (9, "law", MANUAL),
                (10, "", "sometimes"),
            ],
        ),
        ("sparkpost", SPARKPOST_CSV, None, [(2, "set", MANUAL)]),
        (
            "sparkpost",
            SPARKPOST_OLD,
            None,
            [(2, "set", MANUAL), (3, "few", MANUAL), (4, "", "neit")],
        ),
    ],
)
def test_lists_as_the_services_give_them(
    dialect: str, text: str, part: Part | None, expected: list[tuple[int, str, str]]
) -> None:
    """Each record has its reason; what means nothing is told with its line and what it said."""
    found = list(read_foreign(io.StringIO(text, newline=""), Format(Dialect(dialect), part)))
    for row, (line, local, said) in zip(found, expected, strict=False):
        assert row.line == line
        if local:
            assert isinstance(row, Row), row
            assert (str(row.target).partition("@")[0], row.reason) == (local, said)
        else:
            assert isinstance(row, BadRow), row
            assert said in row.problem
    assert len(found) >= len(expected)


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        (SES_JSON, "ses"),
        (SES_ONE, "ses"),
        (SES_LINES, "ses"),
        (SES_BARE, "ses"),
        (SES_CSV, "ses"),
        (SENDGRID_BOUNCES, "sendgrid"),
        (SENDGRID_SPAM, "sendgrid"),
        (SENDGRID_JSON, "sendgrid"),
        (SENDGRID_GROUPS, "sendgrid"),
        (MAILGUN_BOUNCES, "mailgun"),
        (MAILGUN_UNSUBSCRIBES, "mailgun"),
        (MAILGUN_COMPLAINTS, "mailgun"),
        (MAILGUN_JSON, "mailgun"),
        (POSTMARK_JSON, "postmark"),
        (POSTMARK_CSV, "postmark"),
        (SPARKPOST_JSON, "sparkpost"),
        (SPARKPOST_CSV, "sparkpost"),
        (SPARKPOST_OLD, "sparkpost"),
        (SENDGRID_INVALID, None),
        (SENDGRID_UNSUBSCRIBES, None),
        ("email,reason,created\na@x.example,manual,2026-01-01\n", None),
        ("address,reason,scope,date\n", None),
        ("a@x.example,manual\n", None),
        ("a@x.example\n", None),
        ("", None),
        ("{", None),
    ],
)
def test_a_service_is_known_by_its_columns(text: str, dialect: str | None) -> None:
    """Only by columns that no other list has; what could be anybody's is to be named."""
    assert recognise_text(text) == dialect


def test_dates_are_read_as_the_services_write_them() -> None:
    """Numbers, ISO 8601 and RFC 5322; Mailgun's year 1 is no date."""

    def dates(text: str, dialect: str, part: Part | None = None) -> list[float | None]:
        rows = read_foreign(io.StringIO(text), Format(Dialect(dialect), part))
        return [row.date for row in rows if isinstance(row, Row)]

    assert dates(SES_JSON, "ses") == [1775854985.123, 1586552585.077]
    assert dates(SENDGRID_SPAM, "sendgrid") == [1790083507]
    assert dates(MAILGUN_BOUNCES, "mailgun") == [1319194975, None]
    assert dates(POSTMARK_CSV, "postmark") == [1576591113]


def test_what_manual_entries_of_sparkpost_stop() -> None:
    """Transactional entries stop everything, others marketing."""
    rows = list(read_foreign(io.StringIO(SPARKPOST_OLD), Format(Dialect.SPARKPOST)))
    assert [row.stops for row in rows if isinstance(row, Row)] == [
        Stops.EVERYTHING,
        Stops.MARKETING,
    ]


def test_a_bounce_is_the_tenants_and_an_unsubscribe_the_streams() -> None:
    """A list imported for one stream has its tenant's bounces, which have no narrower scope."""
    rows = read_foreign(io.StringIO(POSTMARK_JSON), Format(Dialect.POSTMARK, scope="acme/weekly"))
    scopes = {row.reason: row.scope for row in rows if isinstance(row, Row)}
    assert scopes[Reason.UNSUBSCRIBE] == scopes[Reason.MANUAL] == "acme/weekly"
    assert scopes[Reason.HARD_BOUNCE] == scopes[Reason.COMPLAINT] == "acme"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("suppression_bounces (1).csv", Part.BOUNCES),
        ("suppression_blocks.csv", Part.BLOCKS),
        ("suppression_spam_reports.csv", Part.COMPLAINTS),
        ("x.example_unsubscribes.csv", Part.UNSUBSCRIBES),
        ("list.csv", None),
    ],
)
def test_a_downloads_name_says_which_list_it_is(name: str, part: Part | None) -> None:
    """As the services name them."""
    assert part_of(name) is part


def test_damage_is_told_where_it_is() -> None:
    """A JSON that breaks off gives what came before, a quote never closed says how far it went."""
    broken = SES_JSON[: SES_JSON.index("1586552585.077")]
    rows = list(read_foreign(io.StringIO(broken), Format(Dialect.SES)))
    assert isinstance(rows[0], Row)
    assert isinstance(rows[1], BadRow)
    assert rows[1].line == 11
    text = 'address,code,created_at\n"a@x.example,550,\n' + "b@x.example,550,\n" * 200
    (row,) = read_foreign(io.StringIO(text), Format(Dialect.MAILGUN))
    assert isinstance(row, BadRow)
    assert (row.line, "202" in row.problem) == (2, True)


def test_two_pages_after_each_other_are_both_read() -> None:
    """What a script has appended page by page is one list."""
    rows = list(read_foreign(io.StringIO(SES_JSON + SES_JSON), Format(Dialect.SES)))
    assert [row.line for row in rows] == [3, 8, 13, 19, 24, 29]


WRITTEN = [
    (Dialect.SES, None, {"hard_bounce", "complaint", "unsubscribe", "objection"}),
    (Dialect.SENDGRID, Part.BOUNCES, {"hard_bounce"}),
    (Dialect.SENDGRID, Part.BLOCKS, {"soft_bounce"}),
    (Dialect.SENDGRID, Part.COMPLAINTS, {"complaint"}),
    (Dialect.SENDGRID, Part.UNSUBSCRIBES, {"unsubscribe", "objection", "manual"}),
    (Dialect.MAILGUN, Part.BOUNCES, {"hard_bounce"}),
    (Dialect.MAILGUN, Part.COMPLAINTS, {"complaint"}),
    (Dialect.MAILGUN, Part.UNSUBSCRIBES, {"unsubscribe", "objection", "manual"}),
    (
        Dialect.POSTMARK,
        None,
        {"hard_bounce", "complaint", "unsubscribe", "objection", "manual"},
    ),
    (
        Dialect.SPARKPOST,
        None,
        {"hard_bounce", "complaint", "unsubscribe", "objection", "manual"},
    ),
]


@pytest.mark.parametrize(("dialect", "part", "reasons"), WRITTEN)
def test_what_is_written_for_a_service_reads_back(
    dialect: Dialect, part: Part | None, reasons: set[str]
) -> None:
    """Nobody with a place there is lost, the rest is counted, and reasons come back as they can."""
    entries = [
        Outgoing(f"+{reason}@x.example", reason, Stops.EVERYTHING, 1_790_083_507)
        for reason in Reason
    ]
    out = io.StringIO(newline="")
    count, left_out = write_foreign(out, entries, dialect, part)
    assert set(left_out) == set(Reason) - reasons
    assert count == len(reasons)
    rows = list(read_foreign(io.StringIO(out.getvalue()), Format(dialect, part)))
    assert not [row for row in rows if isinstance(row, BadRow)]
    assert {str(row.target) for row in rows if isinstance(row, Row)} == {
        f"+{reason}@x.example" for reason in reasons
    }
    for row in rows:
        assert isinstance(row, Row)
        assert row.date in (1_790_083_507, None)
        if str(row.target) == f"+{row.reason}@x.example" and row.stops:
            assert row.stops in (Stops.EVERYTHING, Stops.MARKETING)


def test_every_part_of_a_service_is_written() -> None:
    """Whatever a service takes as a file of its own is in the table above."""
    assert {(dialect, part) for dialect, part, _ in WRITTEN} == {
        (dialect, part) for dialect in Dialect for part in parts_of(dialect) or (None,)
    }


CELLS = st.sampled_from(
    [
        "",
        "a@x.example",
        "BOUNCE",
        "550",
        '"',
        "\n",
        "\u2028",
        "\0",
        "5.1.1",
        "'=1",
        "é",
        "0001-01-01",
    ]
)


@given(st.sampled_from(Dialect), st.lists(st.lists(CELLS, max_size=5), max_size=5), st.booleans())
def test_no_list_breaks_the_reader(
    dialect: Dialect, table: list[list[str]], has_header: bool
) -> None:
    """Rubbish becomes BadRows in the order of their lines, never an exception."""
    out = io.StringIO()
    if has_header:
        out.write("emailaddress,reason,lastupdatetime,email,address\n")
    csv.writer(out).writerows(table)
    rows = list(read_foreign(io.StringIO(out.getvalue(), newline=""), Format(dialect)))
    assert [row.line for row in rows] == sorted(row.line for row in rows)


@given(st.sampled_from(Dialect), st.text('[]{},:"aZ1 \n\\ntrue@', max_size=40))
def test_no_json_breaks_the_reader(dialect: Dialect, text: str) -> None:
    """What is no JSON is told as such."""
    for row in read_foreign(io.StringIO("[" + text), Format(dialect)):
        assert isinstance(row, Row | BadRow)
