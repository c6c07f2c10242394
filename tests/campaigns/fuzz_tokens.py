"""Target `token`: mutated unsubscribe and return-path tokens before the token reader.

An input makes a token (purpose, stream number, recipient key) and edits it; only the same token in
another case may be read, for its own purpose, as what it was made for. Whatever is no such edit,
the four spare bits of the last character and look-alikes outside ASCII among it, reads as None.
"""

from __future__ import annotations

from random import Random

from suppression.keys import Generation, Keyring
from suppression.tokens import TOKEN_CHARACTERS, Purpose, Token, Tokens
from tests.campaigns.promises import COUNTS, promise

_TOKENS = Tokens(Keyring([Generation.fresh(7), Generation.fresh(3)]))
_PURPOSES = tuple(Purpose)
_HEAD = 21
"""Octets that choose the token: two purposes, stream number, recipient key."""
_OTHERS = "abcdefghijklmnopqrstuvwxyz234567ABCXYZ0189=-_ .\0\n\u0131\u017f\u212a\uff41\U0001d41a"


def seeds() -> list[bytes]:
    """A token as it is, in capitals, and with edits."""
    head = bytes(_HEAD)
    return [head, head + b"\1\0", head + b"\2\5\7", head + b"\3\2" * 4]


def generate(random: Random) -> bytes:
    """One token and up to four edits of three octets each."""
    return random.randbytes(_HEAD) + random.randbytes(3 * random.choice((0, 1, 1, 1, 2, 4)))


def one_input(data: bytes) -> None:
    """Make, edit and read one token; raises `Broken` for a promise that is not kept."""
    if len(data) < _HEAD:
        data = data.ljust(_HEAD, b"\0")
    COUNTS["tokens"] += 1
    purpose, other = (_PURPOSES[octet % len(_PURPOSES)] for octet in data[:2])
    number, key = int.from_bytes(data[2:5], "big"), data[5:_HEAD]
    token = _TOKENS.make(purpose, number, key)
    text = _edited(token, data[_HEAD:])
    # Only ASCII counts as another case: some letters elsewhere fold onto the alphabet.
    is_same = text.isascii() and text.lower() == token
    read = _TOKENS.read(purpose, text)
    promise(read == (Token(number, key) if is_same else None), "only the same token is read", text)
    promise(other is purpose or _TOKENS.read(other, text) is None, "a token has one purpose", text)
    loose = data.decode("latin-1")
    promise(_TOKENS.read(purpose, loose) is None, "other text is no token", loose)
    COUNTS["read" if is_same else "refused"] += 1
    if text != token and is_same:
        COUNTS["read in another case"] += 1
    if len(text) == TOKEN_CHARACTERS and text[:-1].lower() == token[:-1] and not is_same:
        COUNTS["refused for its last character"] += 1


def _edited(token: str, edits: bytes) -> str:
    """`token` after one edit for each three octets: how, where, with what."""
    for at in range(0, len(edits) - 1, 3):
        how, place = edits[at], edits[at + 1] % (len(token) + 1)
        what = _OTHERS[(edits[at + 2] if at + 2 < len(edits) else 0) % len(_OTHERS)]
        match how % 8:
            case 0:
                token = token[:place] + what + token[place + 1 :]
            case 1:
                token = token.upper()
            case 2:
                token = token[:place] + token[place : place + 4].upper() + token[place + 4 :]
            case 3:
                token = token[:place] + what + token[place:]
            case 4:
                token = token[:place] + token[place + 1 :]
            case 5:
                token = token[:-1] + what
            case 6:
                token = token[:place] + token[place:].swapcase()
            case _:
                token = token[place:] + token[:place]
    return token
