"""The character sets of a stranger's texts, by the names that mail gives them.

`codec_of` takes a name and gives the Python codec to decode with, UTF-8 for a name that is not
listed. The list is fixed and nothing is looked up by a stranger's name: Python would search its
files for it and remember that it found none, for ever. All codecs here take time and memory in
proportion; left out are those that do not (punycode, idna) or are no text (base64, zlib), and
UTF-7, in which anything can be hidden. Raises nothing.
"""

from __future__ import annotations

import re
from encodings.aliases import aliases

UTF_8 = "utf_8"
_CODECS = (
    *(UTF_8, "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"),
    *("latin_1", *(f"iso8859_{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16))),
    *(f"cp{page}" for page in (437, 850, 852, 855, 866, 874, *range(1250, 1259))),
    *("koi8_r", "koi8_u", "koi8_t", "mac_latin2", "mac_roman", "mac_cyrillic", "tis_620"),
    *("iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_ext", "euc_jp", "cp932"),
    *("gb18030", "hz", "big5hkscs", "cp950", "iso2022_kr", "cp949", "johab"),
)
_WIDER = {
    "ascii": UTF_8,
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "big5": "cp950",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf8": UTF_8,
    "utf_8_sig": UTF_8,
    "windows_31j": "cp932",
    "windows_874": "cp874",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
}
"""Names that many programs give to what is more than they mean."""
_BY_NAME = {
    **{alias: codec for alias, codec in aliases.items() if codec in _CODECS},
    **{alias: _WIDER[codec] for alias, codec in aliases.items() if codec in _WIDER},
    **{codec: codec for codec in _CODECS},
    **_WIDER,
}
_BETWEEN = re.compile(r"[^a-z0-9]+")
_OTHER_ASCII = ("utf_16", "utf_32", "iso2022", "hz")
"""Where an octet of ASCII's may be a part of another character."""


def codec_of(name: str) -> str:
    """The codec for a character set's name, however it is written."""
    name = _BETWEEN.sub("_", name[:40].lower()).strip("_").removeprefix("x_")
    return _BY_NAME.get(name, UTF_8)


def is_ascii_within(codec: str) -> bool:
    """Whether every octet below 128 is the character of ASCII, in texts of this codec."""
    return not codec.startswith(_OTHER_ASCII)
