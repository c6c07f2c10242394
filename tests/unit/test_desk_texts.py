"""Every text of the desk stands in both languages."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway.web.desk import (
    audit,
    blocks,
    case_texts,
    consents_texts,
    dangerous,
    lists_texts,
    look_up_texts,
    report,
    sign_in_texts,
    staff,
    subject_texts,
    texts,
    today,
)

MODULES = (
    *(audit, blocks, case_texts, consents_texts, dangerous, lists_texts, look_up_texts, report),
    *(sign_in_texts, staff, subject_texts, texts, today),
)


@pytest.mark.parametrize("texts", [module.TEXTS for module in MODULES])
def test_both_languages_have_the_same_names(texts: Mapping[str, Mapping[str, str]]) -> None:
    """No text is missing, empty or left in English, and none hides behind a method of `dict`, which
    a template would get instead."""
    assert not set(dir(dict)) & texts["en"].keys()
    assert texts["en"].keys() == texts["pl"].keys()
    assert all(texts["en"].values())
    assert all(texts["pl"].values())
    long = [name for name, text in texts["en"].items() if len(text) > 20]
    assert [name for name in long if texts["pl"][name] == texts["en"][name]] == []
