"""Two spellings of one address agree, two addresses never do."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import AddressSyntaxError
from gateway.message.address import parse_mailbox
from gateway.words import Address
from suppression.address import MAX_PARENTS, a_label, exact_form, loose_form, suffixes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("John@X.Example", "john@x.example"),
        ('"john"@x.example', "john@x.example"),
        ('"jo\\hn"@x.example', "john@x.example"),
        ("Zażółć@x.example", unicodedata.normalize("NFD", "zażółć") + "@x.example"),
        ("a@MÜNCHEN.example", "a@xn--mnchen-3ya.example"),
        ("STRASSE@x.example", "straße@x.example"),
    ],
)
def test_spellings_of_one_mailbox_have_one_exact_form(one: str, other: str) -> None:
    """Case, quoting, composition and IDN spelling do not make another address."""
    assert exact_form(parse_mailbox(one)) == exact_form(parse_mailbox(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("u+news@gmail.com", "u@gmail.com"),
        ("a.b@gmail.com", "ab@gmail.com"),
        ("u@googlemail.com", "u@gmail.com"),
        ('"a b"@x.example', "ab@x.example"),
    ],
)
def test_tags_dots_and_domains_count_in_the_exact_form(one: str, other: str) -> None:
    """What a provider may deliver elsewhere is another address to the exact form."""
    assert exact_form(parse_mailbox(one)) != exact_form(parse_mailbox(other))


@pytest.mark.parametrize(
    ("text", "loose"),
    [
        ("Jan.Kowalski+x@GoogleMail.com", "jankowalski@gmail.com"),
        ("u+news@gmail.com", "u@gmail.com"),
        ("jan+list@firma.example", "jan@firma.example"),
        ("a.b@workspace.example", "a.b@workspace.example"),
        ("+x@firma.example", "+x@firma.example"),
    ],
)
def test_the_loose_form_cuts_tags_everywhere_and_dots_at_gmail_only(text: str, loose: str) -> None:
    """Loose keys reach the variants that one mailbox has, no further."""
    assert loose_form(parse_mailbox(text)) == loose


@given(st.text(st.characters(exclude_characters='@"\\', exclude_categories=("Cs",)), min_size=1))
def test_forms_are_stable(local: str) -> None:
    """The form of a form is that form, so an entry found once is found always."""
    form = exact_form(Address("", local, "x.example"))
    assert exact_form(Address("", form.rpartition("@")[0], "x.example")) == form


def test_a_domain_that_is_no_idn_is_refused() -> None:
    """A name that cannot be an A-label is an error, not a key."""
    with pytest.raises(AddressSyntaxError):
        a_label("a\u2260\ud7ff.example")


@pytest.mark.parametrize(
    "domain",
    [
        "\uff41cme.test",
        "a\u034fcme.test",
        "\u2460.example",
        "a\ufe0f.example",
        "a\u00adcme.test",
        "日本\u3002jp",
        "\ufb01rma.example",
        "\u017fhop.example",
        "x.b\u00fccher\ufe0f.example",
    ],
)
def test_a_domain_that_only_maps_to_a_name_is_refused(domain: str) -> None:
    """What is checked must be what is sent: only case and composition may differ."""
    with pytest.raises(AddressSyntaxError, match="write it as"):
        a_label(domain)
    with pytest.raises(AddressSyntaxError):
        exact_form(Address("", "a", domain))


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("BU\u0308CHER.example", "xn--bcher-kva.example"),
        ("STRASSE.Exämple", "strasse.xn--exmple-cua"),
        ("straße.example", "xn--strae-oqa.example"),
        ("ΣΊΣΥΦΟΣ.gr", "xn--kxa6akbbkh.gr"),
        ("ΟΔΟΣ-1.gr", "xn---1-k9b7bby.gr"),
        ("σίσυφος.gr", "xn--kxa6ajbbmh.gr"),
        ("xn--bcher-kva.bücher.example", "xn--bcher-kva.xn--bcher-kva.example"),
        ("नामक्\u200dष.example", "xn--11b1bs1b6a6f215r.example"),
    ],
)
def test_case_and_composition_of_a_u_label_are_free(domain: str, name: str) -> None:
    """Capital letters, separate accents, joiners with a meaning and A-labels beside U-labels."""
    assert a_label(domain) == name


def test_suffixes_reach_two_labels_and_stay_bounded() -> None:
    """Parents are covered, top-level domains are not, and a hostile depth costs no more."""
    assert suffixes("a.b.firma.example") == [
        "a.b.firma.example",
        "b.firma.example",
        "firma.example",
    ]
    deep = "x." * 60 + "firma.example"
    assert len(suffixes(deep)) == MAX_PARENTS + 1
    assert suffixes(deep)[0] == deep
    assert suffixes(deep)[-1] == "firma.example"
