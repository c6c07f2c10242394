"""A bad configuration on reload changes nothing; SIGTERM loses nothing.

Real gateways: one for the reloads, and one each for the ways to end.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.control import ControlError
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Settings, acme
from tests.faults.customer import ANNA, Customer, message, new_id, send
from tests.faults.hop import Action, Hop
from tests.faults.houses import Served
from tests.faults.waiting import eventually


@pytest.fixture(scope="module")
def house(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A gateway that is reloaded."""
    settings = Settings(shared_hop.port)
    with Served(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


# ---- reload -------------------------------------------------------------------------------------


def rewrite(path: Path, change: Callable[[dict], object]) -> None:  # type: ignore[type-arg]
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=1))


BAD = {
    "a limit that is no number": (
        "tenants/acme.yaml",
        lambda c: c.update(limits={"batches": "many"}),
        "limits.batches",
    ),
    "a key nobody knows": ("consentry.yaml", lambda c: c.update(colour="red"), "colour"),
    "another key nobody knows": ("consentry.yaml", lambda c: c.update(shade="red"), "shade"),
    "a policy nobody knows": (
        "consentry.yaml",
        lambda c: c.update(policies=[{"supression": "enforce"}]),
        "policies",
    ),
    "no listener": ("consentry.yaml", lambda c: c.update(listeners=[]), "listeners"),
}


@contextmanager
def bad(house: Served, name: str) -> Iterator[str]:
    """The files with one mistake in them; gives the place that must be named."""
    file, change, key = BAD[name]
    path = house.folder / file
    good = path.read_text()
    rewrite(path, change)
    text = path.read_text()
    last = key.rpartition(".")[2]
    first_line = text[: text.index(f'"{last}"')].count("\n") + 1
    try:
        yield f"{path}:{first_line}"
    finally:
        path.write_text(good)


@pytest.mark.parametrize(
    ("name", "way"),
    [(name, "SIGHUP" if name == "another key nobody knows" else "command") for name in BAD],
)
def test_a_bad_reload_keeps_the_old_configuration(
    name: str, way: str, house: Served, hop: Hop
) -> None:
    """The error names file, line and key; open sessions and new ones are served as before."""
    with Customer(house.open) as customer:
        customer.hello()
        before = house.status["config"]
        with bad(house, name) as place:
            if way == "SIGHUP":
                os.kill(house.pid, signal.SIGHUP)
                # Both processes say so, each in its own journal; an earlier refusal may come late.
                eventually(lambda: sum("shade" in str(one) for one in refusals(house)) == 2)
                said = str(refusals(house))
            else:
                with pytest.raises(ControlError) as refusal:
                    house.ask("reload")
                said = str(refusal.value)
        assert place in said
        assert BAD[name][2] in said
        assert house.status["config"] == before
        for session in (customer.deliver, lambda octets: send(house.open, octets)):
            unique = new_id()
            assert session(message(unique)).code == 250
            assert hop.copies_of(unique) == 1


def refusals(house: Served) -> list[object]:
    """What was wrong in each reload that was refused so far, in both processes."""
    return [
        event["detail"]["errors"] for event in house.events() if event["kind"] == "config.refused"
    ]


def test_a_certificate_that_does_not_fit_its_key_is_refused(
    house: Served, certificates: Certificates
) -> None:
    """A key that is not the certificate's is found before the old pair is given up."""
    good = house.config.read_text()
    rewrite(house.config, lambda c: c["tls"].update(key=str(house.folder / "keys/rsa.pem")))
    try:
        with pytest.raises(ControlError, match="certificate and key"):
            house.ask("reload")
    finally:
        house.config.write_text(good)
    with Customer(house.submissions, tls=certificates) as customer:
        assert customer.hello().code == 250


# ---- SIGTERM ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ending(
    shared_hop: Hop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A gateway that is ended, and started again by the test that ends it."""
    settings = Settings(
        shared_hop.port,
        gateway={"drain_seconds": 1},
        tenants={"acme": acme(limits={"batches": 10})},
    )
    with Served(tmp_path_factory.mktemp("ending"), settings, certificates) as running:
        yield running


def test_sigterm(ending: Served, hop: Hop) -> None:
    """Idle sessions get 421 4.3.2 at once, transactions before their dot after the grace period,
    and messages past it finish: their 250 is heard and counted."""
    past, before = new_id(), new_id()
    with (
        Customer(ending.open) as idle,
        Customer(ending.open) as open_,
        Customer(ending.open) as sending,
        Customer(ending.open) as done,
    ):
        for customer in (idle, open_, sending, done):
            customer.hello()
        open_.ask("MAIL FROM:<news@acme.test>")
        sending.envelope(ANNA)
        sending.send(message(before))
        hop.on("DOT", Action.HOLD)
        done.envelope(ANNA)
        done.send(message(past) + b".\r\n")
        hop.wait_held()
        stopping = threading.Thread(target=ending.stop)
        stopping.start()
        for customer in (idle, open_, sending):
            answer = customer.answer()
            assert (answer.code, answer.tag) == (421, "SHUTDOWN")
            assert "4.3.2" in answer.text
            assert customer.is_closed()
        # Nobody new waits for a greeting that never comes: the balancer sees it at once.
        assert not ending.is_listening
        hop.release()
        assert done.answer().code == 250
        stopping.join(60)
        assert not stopping.is_alive()
    assert [hop.copies_of(name) for name in (past, before)] == [1, 0]
    # A customer that cannot know whether its 250 counted comes again: nothing is doubled.
    ending.start()
    assert send(ending.open, message(past)).code == 250
    assert hop.copies_of(past) == 1


def test_a_drained_gateway_refuses_connections(ending: Served, hop: Hop) -> None:
    """From the moment the command has answered, while messages past their dot finish."""
    hop.on("DOT", Action.HOLD)
    with Customer(ending.open) as customer:
        customer.hello()
        customer.envelope(ANNA)
        customer.send(message(new_id()) + b".\r\n")
        hop.wait_held()
        assert "draining" in ending.run("drain")
        assert not ending.is_listening
        hop.release()
        assert customer.answer().code == 250
    ending.stop()
    ending.start()


def test_cut_off_past_the_dot_is_unknown(ending: Served, hop: Hop) -> None:
    """What a shutdown cuts all the same is unknown afterwards, and its retry is flagged."""
    unique = new_id()
    hop.on("DOT", Action.HOLD)
    with Customer(ending.open) as customer:
        customer.hello()
        customer.envelope(ANNA)
        customer.send(message(unique) + b".\r\n")
        hop.wait_held()
        smtp = ending.child("smtp")
        os.kill(ending.pid, signal.SIGTERM)
        eventually(lambda: ending.status["draining"])
        os.kill(smtp, signal.SIGKILL)
    ending.stop()
    ending.start()
    hop.release()
    answer = send(ending.open, message(unique))
    assert (answer.code, hop.copies_of(unique)) == (250, 2)
    detail = ending.event("message.relayed", ref=answer.ref)["detail"]
    assert detail["possible_doubles"] == [1]
