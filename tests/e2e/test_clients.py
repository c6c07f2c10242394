"""Mailing software that we did not write sends every message form through the gateway to Postfix.

The body must arrive octet for octet, every header field of the customer's too, and the signatures
must satisfy verifiers in two languages.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.certificates import HOST
from tests.e2e.clients.clients import CLIENTS, Job
from tests.e2e.conftest import INTERNATIONAL
from tests.e2e.forms import Form, all_forms, ascii_form, body_of, crowd_form, utf8_header_form
from tests.e2e.gateway import DOMAIN, LOGIN, PASSWORD, Gateway
from tests.e2e.postfix import Postfix
from tests.e2e.verifiers import by_dkimpy, by_perl

FORMS = all_forms()
CASES = [
    pytest.param(client, form, tls, id=f"{client}-{form.name}-{tls}")
    for client in CLIENTS
    for form, tls in zip(FORMS, ["starttls", "implicit"] * len(FORMS), strict=False)
]


def job(gateway: Gateway, form: Form, tls: str, file: Path, login: str = LOGIN) -> Job:
    """`form` as customer acme, through 587 or 465."""
    file.write_bytes(form.raw)
    return Job(
        host=HOST,
        port=gateway.submission if tls == "starttls" else gateway.submissions,
        tls=tls,
        login=login,
        password=PASSWORD,
        mail_from=form.mail_from,
        recipients=form.recipients,
        file=file,
        authority=gateway.certificates.authority,
        smtputf8=form.needs_smtputf8,
    )


def header_lines(raw: bytes) -> list[bytes]:
    """The header section's lines."""
    return raw.partition(b"\r\n\r\n")[0].split(b"\r\n")


def assert_signed(raw: bytes, gateway: Gateway) -> None:
    """Both signatures satisfy dkimpy, the RSA one also Mail::DKIM, which knows no Ed25519."""
    signatures = by_dkimpy(raw, gateway.keys)
    assert [(one.algorithm, one.is_valid, one.detail) for one in signatures] == [
        ("rsa-sha256", True, ""),
        ("ed25519-sha256", True, ""),
    ]
    assert {one.domain for one in signatures} == {DOMAIN}
    in_perl = {one.algorithm: one for one in by_perl(raw, gateway.keys)}
    assert in_perl["rsa-sha256"].is_valid, in_perl["rsa-sha256"].detail


@pytest.mark.parametrize(("client", "form", "tls"), CASES)
def test_form_arrives_unchanged_and_signed(
    client: str, form: Form, tls: str, gateway: Gateway, postfix: Postfix, tmp_path: Path
) -> None:
    """Each client delivers each form; the body is exact, the header kept, the signatures good."""
    form = form.fresh()
    result = CLIENTS[client](job(gateway, form, tls, tmp_path / "message.eml"))
    assert result.accepted, result.transcript + gateway.log
    for recipient in form.recipients:
        (arrived,) = postfix.take(recipient)
        assert body_of(arrived) == form.body
        assert set(header_lines(form.raw)) <= set(header_lines(arrived))
    assert_signed(arrived, gateway)


@pytest.mark.parametrize("client", ["smtplib", "aiosmtplib", "nodemailer"])
def test_international_address_is_delivered_to(
    client: str, gateway: Gateway, postfix: Postfix, tmp_path: Path
) -> None:
    """An address outside ASCII (RFC 6531) arrives with those clients that can ask for it."""
    form = replace(utf8_header_form().fresh(), recipients=(INTERNATIONAL,))
    result = CLIENTS[client](job(gateway, form, "starttls", tmp_path / "message.eml"))
    assert result.accepted, result.transcript
    (arrived,) = postfix.take(INTERNATIONAL)
    assert body_of(arrived) == form.body
    assert_signed(arrived, gateway)


def test_list_copies_differ_only_in_their_unsubscribe_link(
    gateway: Gateway, postfix: Postfix, tmp_path: Path
) -> None:
    """On a list stream each of 100 recipients gets an own copy: own link, own good signature."""
    form = crowd_form().fresh()
    result = CLIENTS["smtplib"](
        job(gateway, form, "starttls", tmp_path / "message.eml", f"{LOGIN}/weekly")
    )
    assert result.accepted, result.transcript
    links = set()
    for recipient in form.recipients:
        (arrived,) = postfix.take(recipient)
        assert body_of(arrived) == form.body
        (link,) = [line for line in header_lines(arrived) if line.startswith(b"List-Unsubscribe:")]
        links.add(link)
        assert all(one.is_valid for one in by_dkimpy(arrived, gateway.keys))
    assert_signed(arrived, gateway)
    assert len(links) == len(form.recipients)


def test_same_octets_after_a_seen_250_are_a_new_mail(
    gateway: Gateway, postfix: Postfix, tmp_path: Path
) -> None:
    """swaks says QUIT after the 250, so it has seen it: the same message again arrives again."""
    task = job(gateway, ascii_form().fresh(), "starttls", tmp_path / "message.eml")
    for _ in range(2):
        result = CLIENTS["swaks"](task)
        assert result.accepted, result.transcript
        assert len(postfix.take("anna@inbox.test")) == 1


def test_same_octets_after_an_unseen_250_are_a_retry(
    gateway: Gateway, postfix: Postfix, tmp_path: Path
) -> None:
    """Nodemailer hangs up after the 250, which it may not have seen: no second copy goes out."""
    task = job(gateway, ascii_form().fresh(), "starttls", tmp_path / "message.eml")
    for _ in range(2):
        result = CLIENTS["nodemailer"](task)
        assert result.accepted, result.transcript
    later = job(gateway, ascii_form().fresh(), "starttls", tmp_path / "later.eml")
    assert CLIENTS["swaks"](later).accepted
    assert len(postfix.take("anna@inbox.test", 2)) == 2
