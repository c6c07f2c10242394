"""What the fault tests share: certificates, makers of gateways, and next hops that misbehave."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.certificates import Certificates, make_certificates
from tests.faults.hop import Hop


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority that clients trust and a certificate for localhost."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def shared_hop() -> Iterator[Hop]:
    """One next hop for all tests of a file."""
    with Hop() as running:
        yield running


@pytest.fixture
def hop(shared_hop: Hop) -> Iterator[Hop]:
    """The file's next hop, behaving well before and after the test."""
    shared_hop.forget()
    yield shared_hop
    shared_hop.forget()
