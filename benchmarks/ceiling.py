"""What RSA-2048 leaves possible on a core: signatures a second by the library the gateway uses.

Nobody who signs every message with RSA can be faster. A machine shared with others is not equally
fast all the time, so this is measured again and again between the runs, and its median counts.
"""

from __future__ import annotations

import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from benchmarks.processes import MEASURED, on_core

SECONDS = 1.0


def signatures_per_second() -> float:
    """RSA-2048 signatures over SHA-256 digests, on the measured core."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    digest, how, what = bytes(32), padding.PKCS1v15(), Prehashed(hashes.SHA256())
    with on_core(MEASURED):
        count, began = 0, time.perf_counter()
        while (seconds := time.perf_counter() - began) < SECONDS:
            key.sign(digest, how, what)
            count += 1
    return count / seconds
