"""What pages of the desk share: durations, instants, codes, and names that a provider gives."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.desk import OidcSettings
from gateway.web.desk import totp
from gateway.web.desk.oidc import Stranger, name_of, role_of
from gateway.web.desk.pages import lasts, when
from gateway.words import Role


@pytest.mark.parametrize(
    ("seconds", "english"),
    [
        (0, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"),
        (86_399, "23 h 59 min"), (90_000, "1 d 1 h"), (-7200, "2 h"),
    ],
)  # fmt: skip
def test_durations_are_said_in_two_units(seconds: float, english: str) -> None:
    """The largest that are not nothing."""
    assert lasts(seconds, "en") == english


def test_instants_are_local_with_utc_on_hover() -> None:
    """And machine-readable; none is a dash."""
    assert when(1_800_000_000, ZoneInfo("Europe/Warsaw")) == (
        '<time datetime="2027-01-15T08:00:00+00:00" title="2027-01-15 08:00:00 UTC">'
        "2027-01-15 09:00</time>"
    )
    assert when(None, ZoneInfo("UTC")) == "&ndash;"


@given(st.integers(100, 2**33), st.integers(-90, 90))
def test_a_code_counts_for_its_own_step_and_those_beside(now: int, off: int) -> None:
    """It names the step that it was made for, and none that is further away."""
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    made = now + off
    found = totp.step_of(secret, pyotp.TOTP(secret).at(made), now)
    if abs(made // 30 - now // 30) <= 1:
        assert found is not None
        assert abs(found - now // 30) <= 1
    else:
        assert found is None or found != made // 30


@given(st.text())
def test_what_is_no_code_is_none(text: str) -> None:
    """Whatever somebody types."""
    found = totp.step_of("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", text, 1_800_000_000)
    assert found is None or text.replace(" ", "").isdecimal()


def test_a_picture_scales_and_has_no_style() -> None:
    """The page's policy forbids inline style, and what has no viewBox would be cut off."""
    drawn = totp.picture(totp.address(totp.new_secret(), "ann", "mail.example.com"))
    assert drawn.startswith("<svg ")
    assert "viewBox" in drawn
    assert "style" not in drawn


@pytest.mark.parametrize(
    ("said", "role"),
    [
        ("abuse", Role.ABUSE), (["x", "abuse"], Role.ABUSE), (["abuse", "leads"], Role.LEAD),
        ([], None), (None, None), ("abuse-not", None), ({"abuse": 1}, None),
    ],
)  # fmt: skip
def test_a_claim_gives_the_first_role_of_the_configuration(said: object, role: Role | None) -> None:
    """A text or a list; anything else gives none."""
    settings = OidcSettings(
        issuer="https://id.test", client_id="c", role_claim="groups",
        roles={"leads": Role.LEAD, "abuse": Role.ABUSE},
    )  # fmt: skip
    assert role_of(settings, {"groups": said}) is role
    assert role_of(settings, {}) is None


def test_a_stranger_gets_a_name_of_ours() -> None:
    """From what the provider calls them, without what an address has behind the at sign."""
    assert name_of({"sub": "1", "preferred_username": "Ann.O'Neil@staff.test"}) == "ann-o-neil"
    assert name_of({"sub": "A|42"}) == "a-42"
    with pytest.raises(Stranger):
        name_of({"sub": "žžž"})
