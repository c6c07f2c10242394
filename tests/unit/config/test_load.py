"""Reading the configuration: every error named by file, line and key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config.example import write_example
from gateway.config.load import check_reload, load, not_yet
from gateway.config.model import HopTls, ListenerTls
from gateway.config.tenant import Unsubscribe
from gateway.errors import ConfigurationError
from gateway.words import Mode
from policies.registry import REGISTRY

MINIMAL = """\
hostname: mail.acme.net
keyring: keys/keyring.json
listeners:
  - name: local
    listen: 127.0.0.1:2525
    tls: none
next_hops:
  - {name: near, host: 127.0.0.1}
  - {name: far, host: mx.acme.net}
web: {base_url: "https://mail.acme.net"}
"""


def test_defaults_depend_on_what_else_is_said(folder) -> None:
    """TLS is verified off loopback, required where it exists; lists ask for consent and a link."""
    folder.gateway.write_text(MINIMAL)
    loaded = folder.load()
    near, far = loaded.config.next_hops
    assert (near.tls, far.tls) == (HopTls.NONE, HopTls.VERIFY)
    assert loaded.config.listeners[0].tls is ListenerTls.NONE
    assert not loaded.config.listeners[0].require_tls
    streams = loaded.tenants["example"].streams
    assert (streams["weekly"].consent_level, streams["orders"].consent_level) == (1, 0)
    assert streams["weekly"].unsubscribe is Unsubscribe.STAMP
    assert streams["orders"].unsubscribe is Unsubscribe.OWN
    assert streams["orders"].open
    assert not streams["offers"].open


def test_every_policy_is_enforced_by_default(folder) -> None:
    """Without a `policies` list all of them are enforced, in the registry's order."""
    folder.gateway.write_text(MINIMAL)
    assert folder.load().config.policy_modes == tuple((name, Mode.ENFORCE) for name in REGISTRY)


def test_the_hash_names_the_content(folder) -> None:
    """Comments and layout leave the hash alone; any value in any file changes it."""
    before = folder.load().hash
    folder.gateway.write_text(f"# a remark\n{folder.gateway.read_text()}\n\n")
    assert folder.load().hash == before
    folder.replace(folder.tenant, "state: starter", "state: open")
    assert folder.load().hash != before


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("gateway", "tls: starttls", "tls: strttls", ":22: listeners.0.tls: 'strttls' is not"),
        (
            "gateway",
            "hostname:",
            "hostnam:",
            ":5: hostnam: is no setting here; did you mean hostname?",
        ),
        (
            "gateway",
            "listen: 127.0.0.1:2587",
            "listen: 25",
            ":21: listeners.0.listen: write address",
        ),
        ("gateway", "name: submissions", "name: submission", ":19: listeners: the name submission"),
        (
            "gateway",
            "port: 25",
            "port: 99999",
            "next_hops.0.port: 99999 does not fit: input should",
        ),
        (
            "gateway",
            "- suppression: enforce",
            "- supression: enforce",
            "policies: supression is no policy",
        ),
        (
            "gateway",
            "- suppression: enforce",
            "- suppression: on",
            "policies.7.suppression: 'on' is not",
        ),
        ("gateway", "- consent:", "- suppression:", "policies: suppression is listed twice"),
        ("gateway", "batches: 1 ", "batches: 0 ", "limits.batches: 0 does not fit"),
        ("gateway", "state_dir: state", "state_dir: [", "is no valid YAML"),
        (
            "gateway",
            "state_dir: state",
            "hostname: state",
            ":7: is no valid YAML: found duplicate key",
        ),
        (
            "tenant",
            "kind: list",
            "kind: lists",
            "streams.weekly.kind: 'lists' is not possible; write",
        ),
        ("tenant", "orders:", "Orders:", "streams.Orders: 'Orders' must match"),
        ("tenant", "customer.example:", "a b:", "domains.a b: 'a b' is not a domain name"),
        ("tenant", "key_file:", "keyfile:", "keyfile: is no setting here; did you mean key_file?"),
        (
            "tenant",
            "selector:",
            "# ",
            "domains.customer.example.dkim.0.selector: is missing; add it",
        ),
        (
            "tenant",
            "default: true",
            "default: false",
            "mark exactly one of the streams `default: true`",
        ),
        (
            "tenant",
            "kind: list",
            "kind: list\n    verified: true",
            "only a transactional stream can be",
        ),
        ("gateway", "bytes_per_day: 10GB", "bytes_per_day: 0", "limits.bytes_per_day: 0 does not"),
        ("gateway", "message_bytes: 25MiB", "message_bytes: 1", "limits.message_bytes: 1 does not"),
        ("tenant", "  customer.example:", '  "*.com":', "domains.*.com: '*.com' stands for"),
        (
            "tenant",
            "  customer.example:",
            "  bücher.example: {dkim: none}\n  BÜCHER.example:",
            "domains: bücher.example and BÜCHER.example are one domain; keep one",
        ),
    ],
)
def test_errors_say_where_and_what(
    folder, errors: Callable[[], list[str]], file: str, old: str, new: str, expected: str
) -> None:
    """One slip gives one error with file, line, key and what to write."""
    path = getattr(folder, file)
    folder.replace(path, old, new)
    found = [line for line in errors() if expected in line]
    assert found, errors()
    assert found[0].startswith(f"{path.name}:")


def test_all_errors_come_at_once(folder) -> None:
    """Errors in several files are reported together, and nothing is loaded."""
    folder.replace(folder.gateway, "tls: starttls", "tls: x")
    folder.replace(folder.tenant, "state: starter", "state: y")
    with pytest.raises(ConfigurationError) as error:
        folder.load()
    assert "consentry.yaml:22: listeners.0.tls" in str(error.value)
    assert "example.yaml:3: state" in str(error.value)


def test_a_password_is_never_repeated(folder) -> None:
    """A plain password written in place of its hash does not reach the error text."""
    text = folder.tenant.read_text()
    at = text.index("password_hash: ") + len("password_hash: ")
    folder.tenant.write_text(text[:at] + "Sommer2030!\n" + text[text.index("\n", at) :])
    with pytest.raises(ConfigurationError, match="no Argon2 hash") as error:
        folder.load()
    assert "Sommer2030" not in str(error.value)


def test_a_missing_file_is_one_error(folder, errors: Callable[[], list[str]]) -> None:
    """A configuration that is not there is a plain error, not a stack trace."""
    folder.gateway.unlink()
    assert errors() == [
        "consentry.yaml:1: No such file or directory; check the path and its rights"
    ]


def test_announcements_are_made_a_day_ahead(folder, errors: Callable[[], list[str]]) -> None:
    """A higher byte limit announced less than 24 hours ahead is refused."""
    with folder.tenant.open("a") as file:
        file.write(
            "announcements:\n  - {announced: 2030-01-02T09:00:00, from: 2030-01-03T08:59:59,"
            " to: 2030-01-05T00:00:00, bytes_per_day: 50GB}\n"
        )
    assert "announcements.0: `from` must be at least 24 hours after" in errors()[0]
    folder.replace(folder.tenant, "08:59:59", "09:00:00")
    assert errors() == []


def test_files_that_are_not_read(folder) -> None:
    """A tenant file with another ending is pointed out; hidden files of editors are ignored."""
    folder.tenant.rename(folder.tenant.with_suffix(".yml"))
    folder.tenant.with_name(".#lock.yaml").write_text("no: tenant")
    found = [finding.text for finding in folder.inspect().warnings]
    assert found == [
        "is not read; call it example.yaml",
        "has no tenant; run `consentry tenant add`",
    ]


@pytest.mark.parametrize("what_is_there", ["nothing", "a file"])
def test_a_tenants_folder_that_cannot_be_read_is_an_error(
    folder, errors: Callable[[], list[str]], what_is_there: str
) -> None:
    """A folder that was moved or not mounted is no house without customers."""
    folder.tenant.parent.rename(folder.path / "elsewhere")
    if what_is_there == "a file":
        folder.tenant.parent.touch()
    (error,) = errors()
    assert error.startswith(f"consentry.yaml:8: tenants_dir: {folder.tenant.parent} cannot be read")
    assert "mend the path or its rights" in error


def test_a_tenants_folder_without_rights_is_an_error(
    folder, errors: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that may not be listed is not taken for an empty one."""

    def listdir(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.listdir", listdir)
    assert any("tenants_dir" in error and "Permission denied" in error for error in errors())


def test_an_empty_tenants_folder_is_a_first_start(folder) -> None:
    """A gateway without customers starts, and says how to add one."""
    folder.tenant.unlink()
    found = folder.inspect()
    assert found.loaded is not None
    assert [finding.text for finding in found.warnings] == [
        "has no tenant; run `consentry tenant add`"
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [("web:", "workers: 2\nredis: {}\nweb:"), ("web:", "node: another\nweb:")],
)
def test_what_needs_a_restart_is_refused_by_a_reload(tmp_path: Path, old: str, new: str) -> None:
    """With the key, so that it is clear what to do."""
    write_example(tmp_path, "mail.example.com")
    file = tmp_path / "consentry.yaml"
    before = load(file)
    file.write_text(file.read_text().replace(old, new, 1))
    key = new.partition(":")[0]
    with pytest.raises(ConfigurationError, match=f"{key}: a change needs a restart"):
        check_reload(before, load(file))


def test_what_waits_for_a_restart_is_named(tmp_path: Path) -> None:
    """A listener reads it when it opens; what mail that comes back may do is in force at once."""
    write_example(tmp_path, "mail.example.com")
    file = tmp_path / "consentry.yaml"
    text = f"{file.read_text()}\nfeedback:\n  domain: back.example.com\n  listen: 127.0.0.1:2526\n"
    file.write_text(text)
    before = load(file)
    file.write_text(f"{text}  storm: {{count: 3}}\n  unproven: {{per_day: 7}}\n")
    assert not_yet(before, load(file)) == ()
    file.write_text(text.replace("2526", "2527"))
    assert not_yet(before, load(file)) == (
        f"{file}: feedback.listen: takes effect after a restart",
    )
