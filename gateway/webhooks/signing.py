"""The signature of a call, as Standard Webhooks 1.0 has it.

HMAC-SHA-256 over `id.timestamp.body`, under each of the receiver's secrets, in base64 behind `v1,`
and separated by spaces. Pure.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Sequence


def signature(secrets: Sequence[bytes], id: str, timestamp: int, body: bytes) -> str:
    """The value of the field `webhook-signature`; `timestamp` in Unix seconds."""
    signed = f"{id}.{timestamp}.".encode() + body
    marks = (hmac.digest(secret, signed, "sha256") for secret in secrets)
    return " ".join(f"v1,{b64encode(mark).decode()}" for mark in marks)
