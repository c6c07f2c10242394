"""Every dialogue in this folder, against a real gateway with a sink as next hop.

The dialogues share one gateway, so each must leave it as it found it; `on <listener>` in the file
chooses the listener (`dialog.py` describes the format).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dialogs.dialog import DialogError, Server, play, read
from tests.e2e.certificates import HOST, make_certificates
from tests.e2e.gateway import Gateway, Settings
from tests.e2e.sink import Sink

DIALOGUES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway whose next hop refuses recipients named `unknown` and defers `later`."""
    replies = {"unknown": "550 5.1.1 No such user", "later": "450 4.2.1 Try again"}
    folder = tmp_path_factory.mktemp("gateway")
    certificates = make_certificates(folder / "certificates")
    with (
        Sink(refuse=lambda address: replies.get(address.partition("@")[0])) as sink,
        Gateway(folder, Settings(next_hop_port=sink.port), certificates) as gateway,
    ):
        yield Server(
            port=lambda listener: getattr(gateway, listener),
            tls=ssl.create_default_context(cafile=certificates.authority),
            host=HOST,
            arrived=lambda: len(sink.messages),
        )


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_dialogue(path: Path, server: Server) -> None:
    """The gateway answers each command as the file says."""
    play(path, server)


def test_every_line_is_a_step(tmp_path: Path) -> None:
    """A line that is no step is an error, not a comment."""
    file = tmp_path / "wrong.txt"
    file.write_text("# comment\nX: EHLO\n")
    with pytest.raises(ValueError, match=r"wrong\.txt:2: no step"):
        read(file)


def test_a_difference_is_found(tmp_path: Path, server: Server) -> None:
    """A reply that is not as written fails with the line and what came."""
    file = tmp_path / "differs.txt"
    file.write_text("S: 220 gateway.test\nC: NOOP\nS: 550\n")
    with pytest.raises(DialogError, match=r"differs\.txt:3: 550: got 250"):
        play(file, server)
