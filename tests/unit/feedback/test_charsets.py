"""Character sets: which are known by which names, and what a stranger's name can do."""

from __future__ import annotations

import encodings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.feedback.charsets import codec_of, is_ascii_within
from gateway.feedback.mime import decoded
from gateway.feedback.parse import parse

KNOWN = {
    "UTF-8": "utf_8",
    "us-ascii": "utf_8",
    "ISO-8859-2": "iso8859_2",
    "latin2": "iso8859_2",
    "Windows-1250": "cp1250",
    "x-cp1250": "cp1250",
    "KOI8-R": "koi8_r",
    "UTF-16": "utf_16",
    "utf-16le": "utf_16_le",
    "ISO-2022-JP": "iso2022_jp",
    "shift_jis": "cp932",
    "x-sjis": "cp932",
    "EUC-JP": "euc_jp",
    "gb2312": "gb18030",
    "GBK": "gb18030",
    "Big5": "cp950",
    "ks_c_5601-1987": "cp949",
    "iso-8859-8-i": "iso8859_8",
}
CODECS = sorted(set(KNOWN.values()) | {"hz", "iso2022_kr", "utf_32", "tis_620", "cp874"})


@pytest.mark.parametrize("name", KNOWN)
def test_the_names_that_mail_gives_are_known(name: str) -> None:
    """However they are written, and for more than they mean where programs mean more."""
    assert codec_of(name) == codec_of(name.upper()) == codec_of(f" {name}\r\n") == KNOWN[name]


@pytest.mark.parametrize(
    "name",
    [
        *("", "x", "iso-8859-77", "../utf_8", "os.path", "utf-8" * 10_000),
        *("idna", "punycode", "utf-7", "unicode_escape", "raw_unicode_escape", "undefined"),
        *("base64", "hex", "quopri", "rot13", "uu", "zlib", "bz2", "mbcs", "oem"),
    ],
)
def test_every_other_name_is_read_as_utf_8(name: str) -> None:
    """Among them codecs of Python's that are no text, can be made to grow or hide what is there."""
    assert codec_of(name) == "utf_8"


def test_nothing_is_looked_up_by_a_strangers_name() -> None:
    """Python would remember every name that it has not found."""
    for name in ("x-unheard-of-text", "x-unheard-of-word"):
        parse(
            f"Subject: =?{name}?q?a?=\r\nContent-Type: text/plain; charset={name}\r\n\r\nx".encode()
        )
        kept = vars(encodings)["_cache"]
        assert not {name, name.replace("-", "_"), "unheard_of_text", "unheard_of_word"} & set(kept)


@given(st.sampled_from(CODECS), st.binary(max_size=300))
def test_any_octets_are_a_text_of_any_of_them(codec: str, octets: bytes) -> None:
    """Nothing raises, nothing grows, and only visible text comes out."""
    mail = b"Content-Type: text/plain; charset=%b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%b"
    text = parse(mail % (codec.encode(), octets)).text
    assert len(text) <= len(octets)
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("codec", CODECS)
def test_where_octets_of_ascii_stand_for_themselves(codec: str) -> None:
    """And where not, so that nobody looks for ASCII in them."""
    if is_ascii_within(codec):
        assert bytes(range(128)).decode(codec) == "".join(map(chr, range(128)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"=?iso-8859-2?Q?za=BF=F3=B3=E6?=", "zażółć"),
        (b"=?windows-1250?B?v/Ozxw==?=", "żółÇ"),
        (b"=?utf-16?B?//56AQ==?=", "ź"),
        (b"=?iso-2022-jp?B?GyRCPCtG?= =?ISO-2022-JP?B?MBsoQg==?=", "自動"),
        ("ディレクトリ".encode("iso2022_jp"), "ディレクトリ"),
        (b"=?x-unheard-of?Q?za=C5=BC?=", "zaż"),
        (b"=?utf-7?Q?+AHo-?=", "+AHo-"),
    ],
)
def test_words_of_fields_are_decoded(value: bytes, text: str) -> None:
    """Also words that were cut between two octets of one character, and Japanese that is bare."""
    assert decoded(value) == text
