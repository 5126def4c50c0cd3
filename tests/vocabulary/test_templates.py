"""Templates are named sets or sentences with one gap."""

from __future__ import annotations

import pytest

from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary.templates import TEMPLATE_SETS, fill_template, validate_templates


def test_named_sets_pass_and_their_sentences_are_valid() -> None:
    for name, sentences in TEMPLATE_SETS.items():
        assert validate_templates(name) == name
        if sentences:
            assert validate_templates(sentences) == sentences
    assert len(TEMPLATE_SETS["imagenet-7"]) == 7


def test_one_sentence_is_a_set_of_one() -> None:
    assert validate_templates("an x-ray of {}") == ("an x-ray of {}",)
    assert validate_templates(["{}", "a {}."]) == ("{}", "a {}.")


@pytest.mark.parametrize(
    ("templates", "says"),
    [
        ("imagenet-81", "unknown template set 'imagenet-81'.*imagenet-80"),
        ([], "no templates"),
        (["a photo"], "exactly one"),
        (["{} and {}"], "exactly one"),
        (["{0}"], "exactly one"),
        (["{} {x}"], "exactly one"),
        (["{}", "{}"], "twice"),
        ([3], "not 3"),
        (7, "not 7"),
    ],
)
def test_bad_templates(templates: object, says: str) -> None:
    with pytest.raises(VocabularyError, match=says):
        validate_templates(templates)  # type: ignore[call-overload]


def test_braces_in_words_are_letters() -> None:
    assert fill_template("a {}.", "{x} {}") == "a {x} {}."
