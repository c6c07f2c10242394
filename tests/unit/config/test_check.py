"""What is wrong or unsafe although every key is well written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Findings = Callable[[], list[str]]

TLS_SECTION = """\
tls:                          # self-signed, for a first try; replace it by a real certificate
  certificate: keys/gateway.crt
  key: keys/gateway.key
"""

TRUSTED = """\
  - name: trusted
    listen: 127.0.0.1:2525
    tls: none
    auth: false
    trusted: [{networks: [192.0.2.0/28], tenant: example, stream: orders}]
"""


def test_the_example_is_clean(errors: Findings, warnings: Findings) -> None:
    """What `consentry init` writes has neither errors nor warnings."""
    assert errors() == []
    assert warnings() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "gateway",
            "hostname:",
            "desk: {oidc: {issuer: 'https://id.test', client_id: c, role_claim: g}}\nhostname:",
            "desk.oidc.role_claim: lets nobody in",
        ),
        (
            "gateway",
            "hostname:",
            "desk: {oidc: {issuer: 'https://id.test', client_id: c, roles: {a: lead}}}\nhostname:",
            "desk.oidc.roles: says nothing without `role_claim`",
        ),
        (
            "gateway",
            "hostname:",
            "desk: {oidc: {issuer: 'http://id.example', client_id: c}}\nhostname:",
            "desk.oidc.issuer: an issuer must be an https address",
        ),
        (
            "gateway",
            "hostname:",
            "desk: {zone: Mars/Base}\nhostname:",
            "desk.zone: 'Mars/Base' is no",
        ),
        ("gateway", TLS_SECTION, "", "listeners.0.tls: needs a certificate; set `tls.certificate`"),
        (
            "gateway",
            "127.0.0.1:2465",
            "127.0.0.1:2587",
            "listeners.1.listen: 127.0.0.1:2587 is taken by",
        ),
        ("gateway", "tls: starttls", "auth: false", "listeners.0: nobody could send here"),
        (
            "gateway",
            "tls: starttls",
            "tls: none\n    require_tls: true",
            "require_tls: cannot be met",
        ),
        ("gateway", "base_url: http://127.0.0.1:8080", "", "needs an address for the links"),
        (
            "gateway",
            "http://127.0.0.1:8080",
            "http://acme.net",
            "RFC 8058 section 3.1 asks for https",
        ),
        (
            "gateway",
            "    host: 127.0.0.1",
            "    host: mx.acme.net\n    tls: opportunistic\n    "
            "auth: {username: u, password_file: p}",
            "next_hops.0.auth: the password could be read",
        ),
        (
            "gateway",
            "    port: 25",
            "    auth: {username: u, password_file: keys/p}",
            "keys/p is missing",
        ),
        ("gateway", "keys/gateway.key", "keys/absent.key", "tls.key: "),
        ("gateway", "keys/gateway.key", "keys/keyring.json", "cannot be used together"),
        ("gateway", "keyring: keys/keyring.json", "keyring: keys/no.json", "keyring: "),
        (
            "tenant",
            "state: starter",
            "name: other\nstate: starter",
            "name: the file is called example.yaml",
        ),
        (
            "tenant",
            "- name: example",
            "- name: example\n    stream: none",
            "there is no stream none",
        ),
        (
            "tenant",
            "kind: list",
            "kind: list\n    mail_from: [a@other.example]",
            "is in none of the",
        ),
        (
            "tenant",
            "customer.example.consentry.pem",
            "absent.pem",
            "absent.pem is missing; make one with",
        ),
        (
            "tenant",
            "keys/dkim/customer.example.consentry.pem",
            "keys/gateway.key",
            "neither RSA nor",
        ),
        (
            "tenant",
            "selector: consentry",
            "selector: s_",
            "domains.customer.example.dkim.0.selector: 's_' is no selector",
        ),
        (
            "tenant",
            "  customer.example:",
            "  _a.example:",
            "domains._a.example: '_a.example' is no domain",
        ),
    ],
)
def test_errors(folder, errors: Findings, file: str, old: str, new: str, expected: str) -> None:
    """What could not work keeps the gateway from starting."""
    folder.replace(getattr(folder, file), old, new)
    assert any(expected in line for line in errors()), errors()
    assert folder.inspect().loaded is None


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "gateway",
            "127.0.0.1:2587\n    tls: starttls",
            "0.0.0.0:2587\n    tls: none",
            "in the clear",
        ),
        ("gateway", "127.0.0.1:2587", "0.0.0.0:2587", "tls.certificate: is self-signed"),
        (
            "gateway",
            "    host: 127.0.0.1",
            "    host: 192.0.2.1\n    tls: none",
            "unencrypted; use verify",
        ),
        ("gateway", "  - suppression: enforce\n", "", "policies: without suppression mail passes"),
        ("gateway", "- suppression: enforce", "- suppression: observe", "only reports"),
        ("gateway", "state_dir: state ", "state_dir: keys ", "keyring: lies in the state folder"),
        (
            "gateway",
            "opt-outs/opt-outs.log",
            "state/o.log",
            "opt_out_log: lies in the state folder",
        ),
        ("gateway", "recipients_per_message: 100", "recipients_per_message: 50", "at least 100"),
        (
            "gateway",
            "tls: implicit",
            "tls: implicit\n    proxy_from: [0.0.0.0/0]",
            "claim to be any",
        ),
        ("tenant", "kind: inquiry", "kind: inquiry\n    open: true", "PKE art. 398"),
        ("tenant", "kind: list", "kind: list\n    limits: {message_bytes: 1GB}", "EHLO announces"),
        (
            "tenant",
            "state: starter",
            "limits: {recipients_per_message: 99}\nstate: starter",
            "limits.recipients_per_message: RFC 5321 section 4.5.3.1.8 asks for at least 100",
        ),
        (
            "tenant",
            "kind: list",
            "kind: list\n    limits: {message_bytes: 65535}",
            "weekly.limits.message_bytes: RFC 5321 section 4.5.3.1.7 asks for at least 65536",
        ),
        (
            "tenant",
            "kind: list",
            "kind: list\n    unsubscribe: own",
            "streams.weekly.unsubscribe: no message can pass",
        ),
    ],
)
def test_warnings(folder, warnings: Findings, file: str, old: str, new: str, expected: str) -> None:
    """What is unsafe is said, and the gateway starts."""
    folder.replace(getattr(folder, file), old, new)
    assert any(expected in line for line in warnings()), warnings()
    assert folder.inspect().loaded is not None


def test_a_proxy_must_be_told_of_where_consent_is_asked_for(folder, warnings: Findings) -> None:
    """Behind https a proof would else name the proxy; without hosted opt-in nobody's is kept."""
    folder.replace(folder.gateway, "http://127.0.0.1:8080", "https://mail.acme.net")
    assert not any("web.proxy_from" in line for line in warnings())
    opt_in = "opt_in: {sender: news@example.com, privacy: https://acme.net/privacy}"
    folder.replace(folder.tenant, "  weekly:\n", f"  weekly:\n    {opt_in}\n")
    assert any(
        "web.proxy_from: proofs of consent would name the TLS proxy" in line for line in warnings()
    )
    folder.replace(folder.gateway, "  base_url:", "  proxy_from: [127.0.0.1]\n  base_url:")
    assert not any("web.proxy_from" in line for line in warnings())


def test_demo_secrets_stay_on_loopback(folder, errors: Findings) -> None:
    """A folder or tenant marked demo is refused as soon as one listener is reachable."""
    folder.replace(folder.tenant, "state: starter", "demo: true\nstate: starter")
    assert errors() == []
    folder.replace(folder.gateway, "127.0.0.1:2465", '"[::]:2465"')
    assert "demo: demo secrets are published and [::]:2465 is reachable" in errors()[0]


def test_list_streams_need_signatures(folder, errors: Findings, warnings: Findings) -> None:
    """`dkim: none` is an error beside a list stream, and a warning without one."""
    text = folder.tenant.read_text()
    start, end = text.index("    dkim:\n"), text.index("\nlogins:")
    folder.tenant.write_text(text[:start] + "    dkim: none\n" + text[end:])
    assert "domains.customer.example.dkim: list streams need signed mail" in errors()[0]
    folder.replace(folder.tenant, "kind: list", "kind: transactional")
    assert errors() == []
    assert "mail goes out unsigned" in warnings()[0]


def _unsigned(folder, domain: str) -> None:
    """One stream, transactional and with return paths of its own, and a domain without a key."""
    text = folder.tenant.read_text()
    start, end = text.index("    dkim:\n"), text.index("\nlogins:")
    folder.tenant.write_text(text[:start] + "    dkim: none\n" + text[end:])
    folder.replace(folder.tenant, "kind: list", "kind: transactional\n    verp: true")
    with folder.gateway.open("a") as file:
        file.write(f"feedback: {{listen: '127.0.0.1:2525', domain: {domain}}}\n")


def test_unsigned_mail_with_our_return_path(folder, warnings: Findings, errors: Findings) -> None:
    """Nothing is left for DMARC to pass by, which names the stream's line."""
    _unsigned(folder, "back.example")
    line = folder.tenant.read_text().split("verp: true")[0].count("\n") + 1
    (found,) = (one for one in warnings() if "verp" in one)
    assert found.startswith(
        f"example.yaml:{line}: streams.weekly.verp: mail from customer.example cannot pass DMARC"
    )
    assert errors() == []


def test_a_return_path_below_the_sender_domain_is_aligned(folder, warnings: Findings) -> None:
    """SPF counts for it, but not at a domain whose name only ends alike."""
    _unsigned(folder, "back.customer.example")
    assert not any("verp" in one for one in warnings())
    folder.replace(folder.gateway, "back.customer.example", "backcustomer.example")
    assert any("streams.weekly.verp: mail from customer.example" in one for one in warnings())


def test_signed_mail_may_have_our_return_path(folder, warnings: Findings) -> None:
    """DMARC passes by its signature."""
    folder.replace(folder.tenant, "kind: list", "kind: list\n    verp: true")
    with folder.gateway.open("a") as file:
        file.write("feedback: {listen: '127.0.0.1:2525', domain: back.example}\n")
    assert not any("verp" in one for one in warnings())


def test_mailed_wishes_need_somebody_who_takes_them(folder, warnings: Findings) -> None:
    """`web.mailto_domain` alone opens no mailbox."""
    folder.replace(folder.gateway, "  base_url:", "  mailto_domain: u.example\n  base_url:")
    line = folder.gateway.read_text().split("mailto_domain")[0].count("\n") + 1
    (found,) = (one for one in warnings() if "mailto_domain" in one)
    assert found.startswith(
        f"consentry.yaml:{line}: web.mailto_domain: nobody takes the wishes to unsubscribe"
    )
    with folder.gateway.open("a") as file:
        file.write("feedback: {listen: '127.0.0.1:2525', domain: back.example}\n")
    assert not any("mailto_domain" in one for one in warnings())


def test_secrets_that_others_can_read(folder, warnings: Findings, errors: Findings) -> None:
    """A world-readable key or tenant file is a warning, a world-readable keyring an error."""
    folder.tenant.chmod(0o644)
    (folder.path / "keys/gateway.key").chmod(0o604)
    assert [line.split(": ")[1] for line in warnings()] == [
        "tls.key",
        "everyone on this machine can read it; run `chmod 600 " + str(folder.tenant) + "`",
    ]
    (folder.path / "keys/keyring.json").chmod(0o644)
    assert "keyring: " in errors()[0]


def test_trusted_clients_must_exist(folder, errors: Findings) -> None:
    """A trusted network names a tenant and a stream that exist, and never everyone."""
    folder.replace(folder.gateway, "  # Known client", TRUSTED + "  # Known client")
    assert errors() == []
    folder.replace(folder.gateway, "192.0.2.0/28", "0.0.0.0/0")
    folder.replace(folder.gateway, "stream: orders}", "stream: gone}")
    assert [line.partition(": ")[2].partition(": ")[0] for line in errors()] == [
        "listeners.2.trusted.0.stream",
        "listeners.2.trusted.0.networks",
    ]
    folder.replace(folder.gateway, "tenant: example, ", "tenant: nobody, ")
    assert "there is no tenant nobody" in errors()[0]


@pytest.mark.parametrize("claimed", ["customer.example", "shop.customer.example"])
def test_one_domain_belongs_to_one_tenant(folder, errors: Findings, claimed: str) -> None:
    """The same login or domain in two files is an error, also when a `*.` entry covers it."""
    text = folder.tenant.read_text()
    folder.replace(folder.tenant, "  customer.example:", '  "*.customer.example":')
    if claimed == "customer.example":
        folder.tenant.write_text(text)
    other = folder.tenant.with_name("other.yaml")
    other.write_text(text.replace("  customer.example:", f"  {claimed}:"))
    other.chmod(0o600)
    found = errors()
    assert any(
        line.startswith("other.yaml") and "belongs to tenant example" in line for line in found
    )
    assert any("tenant example has the login example already" in line for line in found)


@pytest.mark.parametrize("first", ["customer.example", "*.customer.example"])
def test_a_wildcard_signs_as_its_parent(folder, errors: Findings, first: str) -> None:
    """`*.d` of one tenant and `d` of another would sign with one name; in one file they may."""
    (second,) = {"customer.example", "*.customer.example"} - {first}
    text = folder.tenant.read_text()
    folder.replace(folder.tenant, "  customer.example:", f'  "{first}":')
    other = folder.tenant.with_name("other.yaml")
    other.write_text(
        text.replace("  customer.example:", f'  "{second}":').replace(
            "- name: example", "- name: other"
        )
    )
    other.chmod(0o600)
    (error,) = errors()
    assert "domains.*.customer.example: customer.example belongs to tenant" in error
    other.unlink()
    folder.replace(folder.tenant, f'  "{first}":', f'  "{second}": {{dkim: none}}\n  "{first}":')
    assert not any("belongs" in line for line in errors())


def test_the_authorities_of_a_next_hop_can_be_loaded(folder, errors: Findings) -> None:
    """A `ca_file` that holds no certificate is found before the gateway starts with it."""
    folder.replace(folder.gateway, "    port: 25", "    port: 25\n    ca_file: keys/ca.pem")
    ca_file = folder.path / "keys/ca.pem"
    for content in ("garbage\n", ""):
        ca_file.write_text(content)
        (error,) = errors()
        assert f"next_hops.0.ca_file: {ca_file} cannot be used" in error
        assert "PEM" in error
    ca_file.write_bytes((folder.path / "keys/gateway.crt").read_bytes())
    assert errors() == []


@pytest.mark.parametrize("content", ["", "\n", "  \nsecret on the second line\n"])
def test_the_password_of_a_next_hop_is_not_empty(folder, errors: Findings, content: str) -> None:
    """A password file without a password is an error, as one that is missing."""
    auth = "    port: 25\n    auth: {username: u, password_file: keys/p}"
    folder.replace(folder.gateway, "    port: 25", auth)
    secret = folder.path / "keys/p"
    secret.write_text(content)
    secret.chmod(0o600)
    (error,) = errors()
    assert f"next_hops.0.auth.password_file: {secret} has no password in its first line" in error
    secret.write_text("secret\n")
    assert errors() == []


def test_a_broken_tenant_file_is_not_reported_as_missing(folder, errors: Findings) -> None:
    """A trusted network of a tenant whose file has errors gives only that file's errors."""
    folder.replace(folder.gateway, "  # Known client", TRUSTED + "  # Known client")
    folder.replace(folder.tenant, "state: starter", "state: x")
    assert all(line.startswith("example.yaml") for line in errors())
