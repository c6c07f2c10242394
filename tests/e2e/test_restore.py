"""Back up a running gateway, opt out, lose the state folder, restore: nobody is mailed again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Gateway, Settings
from tests.e2e.sink import Sink
from tests.e2e.test_key_rotation import mail, unsubscribe, verdict


def test_who_opted_out_after_the_backup_stays_out(
    certificates: Certificates, tmp_path: Path
) -> None:
    """By one click and by the desk, before and after the backup; also over a rotated keyring."""
    with Sink() as sink:
        house = Gateway(tmp_path, Settings(sink.port, trusted=None), certificates)
        with house:
            unsubscribe(house, mail(house, sink, "anna@inbox.test"))
            (made,) = json.loads(house.run("backup", str(tmp_path / "backups"), "--json"))
            assert "stop it first" in house.run("restore", made["backup"], check=False)
            house.run("key", "rotate")
            unsubscribe(house, mail(house, sink, "bert@inbox.test"))
            protect = ("suppress", "add", "cleo@inbox.test", "--reason", "protected")
            house.run(*protect, "--scope", "*")
        shutil.rmtree(house.folder / "state")
        house.run("restore", made["backup"])
        with house:
            for reader in ("anna", "bert"):
                assert verdict(house, f"{reader}@inbox.test") == "550 5.7.1 [UNSUB]"
            assert verdict(house, "cleo@inbox.test") == "550 5.7.1 [PROTECTED]"
            assert verdict(house, "dora@inbox.test").startswith("250")


def test_a_log_that_is_away_is_503_until_it_is_back(
    certificates: Certificates, tmp_path: Path
) -> None:
    """No opt-out is answered 200 that the log lacks, and no restart is needed afterwards."""
    with (
        Sink() as sink,
        Gateway(tmp_path, Settings(sink.port, trusted=None), certificates) as house,
    ):
        link = mail(house, sink, "anna@inbox.test")
        folder = house.folder / "opt-outs"
        folder.rename(house.folder / "away")
        with pytest.raises(HTTPError) as refused:
            unsubscribe(house, link)
        with refused.value as answer:
            assert (answer.code, answer.headers["Retry-After"]) == (503, "60")
        with pytest.raises(HTTPError) as unready, urlopen(f"http://127.0.0.1:{house.web}/readyz"):
            pass
        with unready.value as answer:
            assert b"the opt-out log" in answer.read()
        assert verdict(house, "anna@inbox.test").startswith("250")
        (house.folder / "away").rename(folder)
        unsubscribe(house, link)
        assert verdict(house, "anna@inbox.test") == "550 5.7.1 [UNSUB]"


def test_a_gateway_without_its_log_does_not_start(
    certificates: Certificates, tmp_path: Path
) -> None:
    """The text says which file is missing and what can be done."""
    with Sink() as sink:
        house = Gateway(tmp_path, Settings(sink.port), certificates)
        house.write()
        house.run("suppress", "add", "cleo@inbox.test", "--reason", "protected", "--scope", "*")
        (house.folder / "opt-outs/opt-outs.log").unlink()
        said = house.run("serve", "--role", "web", check=False)
    assert "opt-outs.log: the opt-out log is missing" in said
    assert "consentry opt-outs accept" in said
