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
    # One set per domain: views, scales and qualities that pictures of it really have.
    "aerial": (
        "a satellite image of a {}.",
        "an aerial photo of a {}.",
        "a {} seen from above.",
        "a top-down view of the {}.",
        "a high-resolution satellite photo of the {}.",
        "a drone photo of a {}.",
        "a blurry satellite image of a {}.",
        "remote sensing imagery of a {}.",
    ),
    "driving": (
        "a photo of a {}.",
        "a street scene with a {}.",
        "a {} seen from a car.",
        "a dashcam photo of the {}.",
        "a photo of the large {} in the street.",
        "a photo of a small {} in the distance.",
        "a blurry photo of a {}.",
        "a photo of a {} at night.",
    ),
    "microscopy": (
        "a microscope image of {}.",
        "a microscope image of a {}.",
        "a light micrograph of {}.",
        "a fluorescence microscopy image of {}.",
        "an electron micrograph of {}.",
        "a phase contrast image of {}.",
        "a close-up of {} under the microscope.",
        "a blurry micrograph of {}.",
    ),
    "histology": (
        "a histology image of {}.",
        "a histology image of a {}.",
        "a histopathology slide showing {}.",
        "an H&E stained section of {}.",
        "a microscope view of {} in a tissue section.",
        "a stained tissue slide with {}.",
        "a close-up of {} in a biopsy.",
    ),
    "fundus": (
        "a fundus photograph of {}.",
        "a fundus photograph showing a {}.",
        "a retinal image of {}.",
        "a colour photograph of the retina with {}.",
        "an ophthalmoscope view of {}.",
        "a close-up of {} on the retina.",
        "a blurry fundus image with {}.",
    ),
    "endoscopy": (
        "an endoscopy image of {}.",
        "an endoscopy image of a {}.",
        "a colonoscopy frame showing {}.",
        "a laparoscopic view of {}.",
        "a photo of {} inside the body.",
        "a close-up of {} seen through an endoscope.",
        "a video frame with {} during surgery.",
    ),
    "radiology": (
        "a radiology image of {}.",
        "a radiology image of a {}.",
        "an X-ray of {}.",
        "a CT scan of {}.",
        "an MRI scan of {}.",
        "an ultrasound image of {}.",
        "a grey medical scan showing {}.",
        "a cross-section of the body with {}.",
    ),
    "documents": (
        "a scanned document with {}.",
        "a scanned page showing a {}.",
        "a photo of a page with {}.",
        "a close-up of {} on paper.",
        "a screenshot of a document with {}.",
        "an old printed page with {}.",
        "a photo of {}.",
    ),
    "industrial": (
        "a photo of {}.",
        "a photo of a {}.",
        "an inspection photo of {}.",
        "a close-up photo of {} on a part.",
        "a grey-scale camera image of {}.",
        "a photo of {} in a factory.",
        "a cropped photo of a damaged part with {}.",
    ),
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
