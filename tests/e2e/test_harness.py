"""The test tools by themselves, without the gateway: what fails in other tests is not theirs."""

from __future__ import annotations

import base64
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.certificates import HOST, Certificates
from tests.e2e.clients.clients import CLIENTS, Job
from tests.e2e.forms import Form, all_forms, ascii_form, body_of
from tests.e2e.postfix import Postfix
from tests.e2e.sink import Sink
from tests.e2e.verifiers import by_dkimpy, by_perl


def job(form: Form, port: int, file: Path, certificates: Certificates) -> Job:
    """`form` over STARTTLS to a server without AUTH."""
    file.write_bytes(form.raw)
    return Job(
        host=HOST,
        port=port,
        tls="starttls",
        mail_from=form.mail_from,
        recipients=form.recipients,
        file=file,
        authority=certificates.authority,
        smtputf8=form.needs_smtputf8,
    )


@pytest.mark.parametrize("form", all_forms(), ids=lambda form: form.name)
@pytest.mark.parametrize("client", CLIENTS)
def test_client_reaches_postfix(
    client: str, form: Form, postfix: Postfix, certificates: Certificates, tmp_path: Path
) -> None:
    """Each client delivers each form to a bare Postfix octet for octet."""
    result = CLIENTS[client](job(form, postfix.port, tmp_path / "message.eml", certificates))
    assert result.accepted, result.transcript
    for recipient in form.recipients:
        (arrived,) = postfix.take(recipient)
        assert body_of(arrived) == form.body


def test_postfix_refuses_unknown(
    postfix: Postfix, certificates: Certificates, tmp_path: Path
) -> None:
    """A recipient without a mailbox is refused at RCPT."""
    form = Form("unknown", ascii_form().raw, ("nobody@inbox.test",))
    result = CLIENTS["swaks"](job(form, postfix.port, tmp_path / "message.eml", certificates))
    assert not result.accepted
    assert "550 5.1.1 <nobody@inbox.test>" in result.transcript


def test_sink_keeps_octets(certificates: Certificates, tmp_path: Path) -> None:
    """The sink insists on TLS and keeps the message as it was sent."""
    form = ascii_form()
    with Sink(certificates=certificates) as sink:
        result = CLIENTS["msmtp"](job(form, sink.port, tmp_path / "message.eml", certificates))
        assert result.accepted, result.transcript
        (captured,) = sink.wait_for(1)
    assert captured.raw == form.raw
    assert captured.recipients == form.recipients


def test_verifiers_tell_good_from_altered() -> None:
    """Both verifiers accept a signature by a third party and refuse it on an altered message."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
    keys = {"one._domainkey.acme.test": record}
    raw = ascii_form().raw
    good = dkim.sign(raw, b"one", b"acme.test", pem) + raw
    for verify in (by_dkimpy, by_perl):
        assert [one.is_valid for one in verify(good, keys)] == [True]
        assert [one.is_valid for one in verify(good + b"more\r\n", keys)] == [False]
        assert verify(raw, keys) == []
