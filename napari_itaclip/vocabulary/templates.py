"""The sentences that a class word is put into before the text tower reads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import overload

from napari_itaclip.errors import VocabularyError

DEFAULT_TEMPLATES = "imagenet-80"

TEMPLATE_SETS: dict[str, tuple[str, ...]] = {
    # CLIP's own 80 sentences ship with open_clip: `clip/text.py` reads them there when needed.
    "imagenet-80": (),
    # The subset that CLIP's authors found to do nearly as well (their prompt engineering notes).
    "imagenet-7": (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
    "plain": ("a photo of a {}.",),
    "word": ("{}",),
}
"""Named template sets; empty where the sentences are resolved lazily from open_clip."""

Templates = str | tuple[str, ...]
"""The name of a set, or the sentences themselves."""


@overload
def validate_templates(templates: str) -> Templates: ...  # type: ignore[overload-overlap]


@overload
def validate_templates(templates: Iterable[str]) -> tuple[str, ...]: ...


def validate_templates(templates: str | Iterable[str]) -> Templates:
    """Check templates and bring them to one form.

    Parameters
    ----------
    templates
        The name of a set in `TEMPLATE_SETS`, one sentence with ``{}`` in it, or several.

    Returns
    -------
    str or tuple of str
        The name of the set, or the sentences.

    Raises
    ------
    VocabularyError
        For an unknown set, no sentence at all, a sentence that is not text, occurs twice, or does
        not hold exactly one ``{}`` (and no other brace).
    """
    if isinstance(templates, str):
        if templates in TEMPLATE_SETS:
            return templates
        if "{" not in templates:
            known = ", ".join(TEMPLATE_SETS)
            raise VocabularyError(
                f"unknown template set {templates!r}: use one of {known}, "
                "or sentences with {} where the word goes, like 'a photo of a {}.'"
            )
        templates = (templates,)
    try:
        sentences = tuple(templates)
    except TypeError:
        raise VocabularyError(
            f"templates are the name of a set or a list of sentences, not {templates!r}"
        ) from None
    if not sentences:
        raise VocabularyError("there are no templates: give at least one, like 'a photo of a {}.'")
    for sentence in sentences:
        _check_sentence(sentence)
    for position, sentence in enumerate(sentences):
        if sentence in sentences[:position]:
            raise VocabularyError(f"the template {sentence!r} is given twice")
    return sentences


def fill_template(template: str, word: str) -> str:
    """Put a word into a template; braces in the word are taken as written."""
    return template.replace("{}", word)


def _check_sentence(sentence: object) -> None:
    """Raise `VocabularyError` unless the sentence has exactly one ``{}``."""
    if not isinstance(sentence, str):
        raise VocabularyError(f"a template is a sentence, not {sentence!r}")
    rest = sentence.replace("{}", "", 1)
    if rest == sentence or "{" in rest or "}" in rest:
        raise VocabularyError(
            f"the template {sentence!r} must hold exactly one {{}}, where the word goes"
        )
