"""Every text of the look-up screens stands in both languages."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway.web.desk import consents_texts, lists_texts, look_up_texts, subject_texts


@pytest.mark.parametrize(
    "texts",
    [look_up_texts.TEXTS, lists_texts.TEXTS, consents_texts.TEXTS, subject_texts.TEXTS],
)
def test_both_languages_have_the_same_names(texts: Mapping[str, Mapping[str, str]]) -> None:
    """No text is missing, empty or left in English."""
    assert texts["en"].keys() == texts["pl"].keys()
    assert all(texts["en"].values())
    assert all(texts["pl"].values())
    long = [name for name, text in texts["en"].items() if len(text) > 20]
    assert [name for name in long if texts["pl"][name] == texts["en"][name]] == []
