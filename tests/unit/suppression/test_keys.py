"""Keys separate what must be separate, survive rotation, and their file is kept close."""

import hmac
import json
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.message.address import parse_mailbox
from suppression.keys import KEY_OCTETS, MAX_GENERATION, Generation, Keyring, Mac, Sealed

ADDRESS = parse_mailbox("jan@mail.firma.example")


@pytest.fixture
def keyring() -> Keyring:
    return Keyring([Generation.fresh(0)])


def test_the_mac_is_hmac_sha256() -> None:
    """The quick MAC gives what the standard library's HMAC-SHA-256 gives."""
    secret, data = bytes(range(32)), b"some data"
    assert Mac(secret)(data) == hmac.digest(secret, data, "sha256")


def test_purposes_have_separate_keys(keyring: Keyring) -> None:
    """The same text as exact form, loose form or domain stands under different keys."""
    keys = {
        keyring.exact_key(ADDRESS),
        keyring.loose_key(ADDRESS),
        keyring.domain_key(ADDRESS.domain),
    }
    assert len(keys) == 3
    assert {len(key) for key in keys} == {KEY_OCTETS}


def test_look_up_keys_are_exact_loose_and_every_covering_domain(keyring: Keyring) -> None:
    """A look-up tries all an entry may stand under, the exact key first."""
    assert keyring.look_up_keys(ADDRESS) == [
        keyring.exact_key(ADDRESS),
        keyring.loose_key(ADDRESS),
        keyring.domain_key("mail.firma.example"),
        keyring.domain_key("firma.example"),
    ]


def test_old_generations_are_looked_up_and_the_newest_is_used(keyring: Keyring) -> None:
    """After a rotation old entries are still found; new ones get the new key."""
    rotated = Keyring([Generation.fresh(1), keyring.current])
    assert set(keyring.look_up_keys(ADDRESS)) < set(rotated.look_up_keys(ADDRESS))
    assert rotated.look_up_keys(ADDRESS)[0] == rotated.exact_key(ADDRESS)
    assert rotated.exact_key(ADDRESS) != keyring.exact_key(ADDRESS)


def test_a_sealed_text_opens_with_its_secret_only(keyring: Keyring) -> None:
    """Without the subject's secret, or under another keyring, the text is gone."""
    sealed, other = keyring.seal("jan@firma.example"), keyring.seal("jan@firma.example")
    assert keyring.open(sealed) == "jan@firma.example"
    assert b"jan" not in sealed.data
    assert sealed.data != other.data
    for wrong in (Sealed(other.secret, sealed.data), Sealed(b"", sealed.data)):
        with pytest.raises(ValueError, match="does not open"):
            keyring.open(wrong)
    with pytest.raises(ValueError, match="does not open"):
        Keyring([Generation.fresh(0)]).open(sealed)


def test_a_sealed_text_survives_rotation(keyring: Keyring) -> None:
    """Texts sealed under an older generation open after a rotation."""
    sealed = keyring.seal("jan@firma.example")
    assert Keyring([Generation.fresh(1), keyring.current]).open(sealed) == "jan@firma.example"


def test_the_file_is_private_and_never_replaced(tmp_path: Path) -> None:
    """A keyring is written once with mode 0600 and read back the same."""
    path = tmp_path / "secrets" / "keyring.json"
    made = Keyring.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Keyring.load(path).exact_key(ADDRESS) == made.exact_key(ADDRESS)
    with pytest.raises(ConfigurationError, match="never replaced"):
        Keyring.create(path)


@pytest.mark.parametrize("content", ["", "[]", '{"generations": []}', '{"generations": [{}]}'])
def test_a_damaged_file_is_a_configuration_error(tmp_path: Path, content: str) -> None:
    """Whatever is wrong with the file, the operator is told, and no key is made up."""
    path = tmp_path / "keyring.json"
    path.touch(mode=0o600)
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="not a keyring"):
        Keyring.load(path)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Secrets that leaked to the group are no secrets."""
    path = tmp_path / "keyring.json"
    Keyring.create(path)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Keyring.load(path)


def test_two_generations_of_one_id_are_refused(tmp_path: Path) -> None:
    """A doubled id would make one of two secrets unreachable."""
    path = tmp_path / "keyring.json"
    Keyring.create(path)
    generations = json.loads(path.read_text())["generations"]
    path.write_text(json.dumps({"generations": generations * 2}))
    with pytest.raises(ConfigurationError, match="same id"):
        Keyring.load(path)


def test_a_new_generation_is_for_look_ups_until_it_is_used(keyring: Keyring) -> None:
    """Added, it finds what will be made under it; used, it makes what is new."""
    added = keyring.with_generation()
    used = added.using(1)
    assert added.exact_key(ADDRESS) == keyring.exact_key(ADDRESS)
    assert used.exact_key(ADDRESS) not in keyring.look_up_keys(ADDRESS)
    assert used.exact_key(ADDRESS) in added.look_up_keys(ADDRESS)
    assert used.look_up_keys(ADDRESS)[0] == used.exact_key(ADDRESS)
    assert keyring.exact_key(ADDRESS) in used.look_up_keys(ADDRESS)
    assert used.describe() == {"current": 1, "generations": [0, 1]}
    with pytest.raises(ConfigurationError, match="no generation 7"):
        used.using(7)


def test_there_are_64_generations_at_most() -> None:
    """A token has six bits for them."""
    last = Keyring([Generation.fresh(MAX_GENERATION)])
    with pytest.raises(ConfigurationError, match="at most 64"):
        last.with_generation()


def test_a_saved_keyring_says_which_generation_is_current(tmp_path: Path) -> None:
    """The file is exchanged as a whole, stays private, and a half-written one is no obstacle."""
    path = tmp_path / "keyring.json"
    keyring = Keyring.create(path).with_generation()
    path.with_name("keyring.json.new").write_text("left by a crash")
    keyring.save(path)
    assert Keyring.load(path).current.id == 0
    keyring.using(1).save(path)
    loaded = Keyring.load(path)
    assert (loaded.current.id, loaded.exact_key(ADDRESS)) == (
        1,
        keyring.using(1).exact_key(ADDRESS),
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_saving_loses_no_generation(tmp_path: Path) -> None:
    """Whatever was written under a lost one would never be found again."""
    path = tmp_path / "keyring.json"
    first = Keyring.create(path)
    first.with_generation().save(path)
    with pytest.raises(ConfigurationError, match="generation 1"):
        first.save(path)
    with pytest.raises(ConfigurationError, match="generation 0"):
        Keyring([Generation.fresh(0), Generation.fresh(1)]).save(path)


def test_a_keyring_without_its_current_generation_is_refused(tmp_path: Path) -> None:
    """A file that was edited by hand is damage, not a choice."""
    path = tmp_path / "keyring.json"
    Keyring.create(path)
    path.write_text(path.read_text().replace('"current": 0', '"current": 5'))
    with pytest.raises(ConfigurationError, match="no generation 5"):
        Keyring.load(path)
