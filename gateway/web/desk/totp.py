"""Second factors: time-based one-time codes (RFC 6238) of 30 seconds and six digits.

A code counts within one step of now, so that a clock may be half a minute wrong, and once only.
"""

from __future__ import annotations

from hmac import compare_digest
from io import BytesIO

import pyotp
import segno

STEP = 30
ISSUER = "Consentry"


def new_secret() -> str:
    """A new secret as base32, 160 bits (RFC 4226 section 4)."""
    return pyotp.random_base32()


def step_of(secret: str, code: str, now: float) -> int | None:
    """Which step `code` is of, if it is of this one or one beside it."""
    code = code.replace(" ", "")
    if not (len(code) == 6 and code.isascii() and code.isdecimal()):
        return None
    totp = pyotp.TOTP(secret)
    here = int(now) // STEP
    steps = [step for step in (here - 1, here, here + 1) if _is(totp, step, code)]
    return steps[0] if steps else None


def address(secret: str, name: str, house: str) -> str:
    """What an authenticator reads: an `otpauth:` address."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=f"{ISSUER} {house}")


def picture(text: str) -> str:
    """`text` as a QR code, an SVG element without style: safe markup of our own."""
    out = BytesIO()
    segno.make(text, error="m").save(
        out, kind="svg", xmldecl=False, svgns=True, border=4, dark="#000", light="#fff",
        omitsize=True, svgclass="qr", lineclass=None,
    )  # fmt: skip
    return out.getvalue().decode()


def _is(totp: pyotp.TOTP, step: int, code: str) -> bool:
    return compare_digest(totp.generate_otp(step), code)
