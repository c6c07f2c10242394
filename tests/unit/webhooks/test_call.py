"""One call to a real HTTPS receiver: signed, pinned to the judged address, bounded."""

from __future__ import annotations

import ssl
import threading
from base64 import b64decode
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest

from gateway.config.webhook import read_secrets
from gateway.webhooks import call as calling
from gateway.webhooks.call import CallFailed, Endpoint, call, client
from gateway.webhooks.signing import signature
from gateway.webhooks.targets import Targets
from gateway.words import WebhookKind
from tests.e2e.certificates import Certificates, make_certificates
from tests.e2e.receiver import SECRET, Receiver

LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def receiver(certificates: Certificates) -> Iterator[Receiver]:
    with Receiver(certificates) as receiver:
        yield receiver


@pytest.fixture
def secrets(tmp_path: Path) -> tuple[bytes, ...]:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return read_secrets(file)


def _endpoint(
    url: str, secrets: tuple[bytes, ...], authority: Path, allowed: Sequence[object] = LOOPBACK
) -> Endpoint:
    context = ssl.create_default_context(cafile=authority)
    return Endpoint(
        "acme", httpx.URL(url), secrets, frozenset(WebhookKind), tuple(allowed), context
    )


def _resolving(*answers: list[str]) -> Targets:
    rest = list(answers)

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return rest.pop(0)

    return Targets(resolve)


async def _call(endpoint: Endpoint, targets: Targets, times: int = 1) -> list[int]:
    async with client(endpoint) as connection:
        return [
            await call(connection, targets, endpoint, f"msg_{n}", 1_800_000_000, b'{"n":1}')
            for n in range(times)
        ]


async def test_a_call_is_signed_and_named(
    receiver: Receiver, secrets: tuple[bytes, ...], certificates: Certificates
) -> None:
    """The receiver sees its own name as Host, the body as it is, and a right signature."""
    endpoint = _endpoint(
        f"https://localhost:{receiver.port}/hook?x=1", secrets, certificates.authority
    )
    assert await _call(endpoint, _resolving(["127.0.0.1"])) == [204]
    (got,) = receiver.calls
    assert (got.path, got.body) == ("/hook?x=1", b'{"n":1}')
    assert got.headers["host"] == f"localhost:{receiver.port}"
    assert got.headers["webhook-timestamp"] == "1800000000"
    assert got.is_signed()
    assert not got.is_signed("whsec_" + "A" * 32)


def test_the_signature_of_the_specification() -> None:
    """The example that Standard Webhooks publishes comes out."""
    secret = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    made = signature([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_rebinding_changes_nothing(
    receiver: Receiver, secrets: tuple[bytes, ...], certificates: Certificates
) -> None:
    """A name that is public when asked first and private later is refused at the second call.

    The system's resolver, which says 127.0.0.1 to `localhost`, is never asked in between.
    """
    endpoint = _endpoint(
        f"https://localhost:{receiver.port}/", secrets, certificates.authority, allowed=()
    )
    with pytest.raises(CallFailed, match="not public"):
        await _call(endpoint, _resolving(["127.0.0.1"]))
    assert receiver.calls == []
    # Judged as TEST-NET's neighbour, which is public: that very address is connected to, not
    # what `localhost` means to the system, so the call cannot reach the receiver.
    tried: list[str] = []

    class Spy(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            tried.append(f"{request.url.host} as {request.extensions['sni_hostname']}")
            return httpx.Response(204, stream=httpx.ByteStream(b""))

    targets = _resolving(["198.51.101.7"], ["127.0.0.1"])
    async with httpx.AsyncClient(transport=Spy()) as connection:
        assert await call(connection, targets, endpoint, "msg_1", 1, b"{}") == 204
        with pytest.raises(CallFailed, match="not public"):
            await call(connection, targets, endpoint, "msg_2", 1, b"{}")
    assert tried == ["198.51.101.7 as localhost"]


async def test_the_certificate_must_name_the_host(
    receiver: Receiver, secrets: tuple[bytes, ...], certificates: Certificates
) -> None:
    """Being at the judged address is not enough: the certificate is for the name in the URL."""
    endpoint = _endpoint(f"https://other.test:{receiver.port}/", secrets, certificates.authority)
    with pytest.raises(CallFailed, match="ConnectError"):
        await _call(endpoint, _resolving(["127.0.0.1"]))
    assert receiver.calls == []


async def test_redirects_are_not_followed(
    secrets: tuple[bytes, ...], certificates: Certificates
) -> None:
    """A 3xx is an answer like any other that is not 2xx; nothing is called in its place."""
    with Receiver(certificates, lambda _call: 307) as receiver:
        endpoint = _endpoint(f"https://localhost:{receiver.port}/", secrets, certificates.authority)
        assert await _call(endpoint, _resolving(["127.0.0.1"])) == [307]
        assert len(receiver.calls) == 1


async def test_a_long_answer_is_cut_off(
    secrets: tuple[bytes, ...], certificates: Certificates
) -> None:
    """However much a receiver answers, little is read, and the status counts."""
    with Receiver(certificates, lambda _call: 200, b"x" * 3_000_000) as receiver:
        endpoint = _endpoint(f"https://localhost:{receiver.port}/", secrets, certificates.authority)
        assert await _call(endpoint, _resolving(["127.0.0.1"], ["127.0.0.1"]), 2) == [200, 200]


async def test_a_silent_receiver_ends_in_time(
    secrets: tuple[bytes, ...], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole call has a deadline, whatever the receiver sends meanwhile."""
    monkeypatch.setattr(calling, "CALL_SECONDS", 0.3)
    silence = threading.Event()
    with Receiver(certificates, lambda _call: 204 if silence.wait(20) else 500) as receiver:
        endpoint = _endpoint(f"https://localhost:{receiver.port}/", secrets, certificates.authority)
        with pytest.raises(CallFailed, match=r"no answer|ReadTimeout"):
            await _call(endpoint, _resolving(["127.0.0.1"]))
        silence.set()


async def test_the_second_address_is_tried(
    receiver: Receiver, secrets: tuple[bytes, ...], certificates: Certificates
) -> None:
    """A name whose first address does not answer is reached at the next one."""
    endpoint = _endpoint(f"https://localhost:{receiver.port}/", secrets, certificates.authority)
    assert await _call(endpoint, _resolving(["127.9.9.9", "127.0.0.1"])) == [204]


async def test_plain_http_only_where_it_is_allowed(
    secrets: tuple[bytes, ...], certificates: Certificates
) -> None:
    """Without TLS a call goes to listed networks only."""
    with Receiver(None) as receiver:
        url = f"http://localhost:{receiver.port}/"
        endpoint = _endpoint(url, secrets, certificates.authority)
        assert await _call(endpoint, _resolving(["127.0.0.1"])) == [204]
        with pytest.raises(CallFailed, match="without TLS"):
            await _call(endpoint, _resolving(["1.1.1.1"]))
