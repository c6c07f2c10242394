"""Uploads before a real clamd, over its socket and over TCP, with a signature database of one line:
the test virus that every scanner knows (eicar.org)."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image

from gateway.config.clamav import ClamAvSettings
from gateway.uploads.intake import CLEAN, take
from gateway.uploads.picture import Refused, Why
from gateway.uploads.scanner import ScannerAway, scan
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
START_SECONDS = 20.0
MOST = 2_000_000
"""What this clamd takes."""


@pytest.fixture(scope="module")
def scanners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ClamAvSettings]]:
    """One clamd, by both ways of reaching it."""
    clamd = shutil.which("clamd", path="/usr/sbin:/usr/bin")
    assert clamd, "run tests/e2e/install-packages"
    folder = tmp_path_factory.mktemp("clamd")
    (folder / "signatures").mkdir()
    (folder / "signatures/own.ndb").write_text(f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
    port, socket = free_port(), folder / "clamd.ctl"
    settings = folder / "clamd.conf"
    settings.write_text(
        f"DatabaseDirectory {folder}/signatures\nLocalSocket {socket}\nTCPSocket {port}\n"
        f"TCPAddr {LOOPBACK}\nTemporaryDirectory {folder}\nForeground yes\n"
        f"StreamMaxLength {MOST}\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([clamd, "-c", settings], stdout=log, stderr=log)
    try:
        wait_for_port(port, START_SECONDS)
        until = time.monotonic() + START_SECONDS
        while not socket.exists():
            assert time.monotonic() < until, (folder / "log").read_text()
        yield [ClamAvSettings(socket=socket), ClamAvSettings(host=LOOPBACK, port=port)]
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def screenshot() -> bytes:
    """A picture as a tenant sends it."""
    file = BytesIO()
    Image.new("RGB", (320, 200), "white").save(file, "PNG")
    return file.getvalue()


async def test_a_real_scanner_is_understood(scanners: list[ClamAvSettings]) -> None:
    """What it finds nothing in is taken, what it finds something in is refused under its name for
    it, and what is more than it takes is not called clean."""
    for settings in scanners:
        assert (await take(screenshot(), "list.png", settings)).scanned == CLEAN
        with pytest.raises(Refused) as refusal:
            await take(screenshot() + EICAR, "list.png", settings)
        assert refusal.value.why is Why.VIRUS
        assert refusal.value.found.startswith("Eicar-Test-Signature")
        with pytest.raises(ScannerAway):
            await scan(settings, bytes(2 * MOST))
