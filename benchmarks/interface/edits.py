"""Measures how soon after an edit of the vocabulary its labels are there.

Who answers an edit is a `Respond` function, so the same edits can be timed through other doors (the
whole dock, up to the pixels of the labels layer): make one, and pass it to `measure_latency`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.interface.figures import Reading
from benchmarks.interface.subjects import NEW_WORDS, Size, Subject
from benchmarks.timing import Clock
from benchmarks.workload import photo
from napari_itaclip.clip.text import ClassEmbeddings
from napari_itaclip.segmentation.settings import RefineSettings
from napari_itaclip.vocabulary.classes import Vocabulary

UNREFINED = RefineSettings(iterations=0)


@dataclass(frozen=True)
class Edit:
    """A change of the vocabulary.

    Attributes
    ----------
    vocabulary : Vocabulary
        The classes after it.
    new : bool
        Whether it brings a word that the network has not embedded yet.
    """

    vocabulary: Vocabulary
    new: bool


Respond = Callable[[Edit], Mapping[str, float]]
"""Makes the edit and waits for its labels: seconds from the edit to each stage of `STAGES`.

An edit with known words has the stages "unrefined" and "refined", one with a new word has
"new_quick", "new_full" and "new_refined"; a stage that the door does not have may be left out.
"""


@dataclass(frozen=True)
class Stage:
    """A kind of answer to an edit.

    Attributes
    ----------
    meaning : str
        One line for a person.
    target_ms : float or None
        How soon after the edit it should be there, on two cores of a processor.
    """

    meaning: str
    target_ms: float | None


STAGES: Mapping[str, Stage] = {
    "unrefined": Stage("known words to labels, unrefined", 100),
    "refined": Stage("known words to labels, refined", 1100),
    "new_quick": Stage("new word to labels, few templates, unrefined", 1000),
    "new_full": Stage("new word to labels, all templates, unrefined", None),
    "new_refined": Stage("new word to labels, all templates, refined", None),
}
"""What is timed. The refined labels are due within a second of the unrefined ones."""


def edits_of(size: Size) -> Iterator[Edit]:
    """Make the edits: one known word swapped for another, in turns; then a new word each."""
    *kept, one, other = size.words
    for turn in range(size.edits):
        yield Edit(Vocabulary([*kept, (one, other)[turn % 2]], templates=size.templates), new=False)
    for word in NEW_WORDS[: size.new_words]:
        yield Edit(Vocabulary([*kept, word], templates=size.templates), new=True)


def measure_latency(section: str, subject: Subject, respond: Respond) -> Iterator[Reading]:
    """Make all edits and report the median time to each stage.

    Parameters
    ----------
    section : str
        Where the readings belong.
    subject : Subject
        Whose labels; the words of `Size.words` are embedded before the first edit.
    respond : callable
        Answers an edit.
    """
    subject.segmenter.embed(Vocabulary(subject.size.words, templates=subject.size.templates))
    times: dict[str, list[float]] = {}
    edits = list(edits_of(subject.size))
    respond(edits[0])  # the first of its kind reserves memory
    for edit in edits:
        for name, seconds in respond(edit).items():
            times.setdefault(name, []).append(seconds)
    for name, stage in STAGES.items():
        taken = times.get(name)
        if taken:
            yield Reading(
                section,
                subject.name,
                name,
                stage.meaning,
                median(taken) * 1e3,
                "ms",
                stage.target_ms,
                note=f"the slowest of {len(taken)} {max(taken) * 1e3:,.0f} ms",
                details={"all_s": [round(seconds, 5) for seconds in taken]},
            )


def segmenter_response(subject: Subject) -> Respond:
    """Return the answer of the engine alone, with the stages in the dock's order."""
    segmenter, size = subject.segmenter, subject.size
    clock = Clock(segmenter.model.device)
    features = segmenter.encode(photo(*size.edit_picture), size.preset)

    def label(edit: Edit, embeddings: ClassEmbeddings, refine: RefineSettings) -> None:
        segmenter.segment_embedded(
            features, edit.vocabulary, embeddings, refine=refine, decision=size.preset.decide
        )

    def respond(edit: Edit) -> Mapping[str, float]:
        start = clock.now()
        found: dict[str, float] = {}
        if edit.new:
            quick = segmenter.embed(edit.vocabulary, quick=size.quick_templates)
            label(edit, quick, UNREFINED)
            found["new_quick"] = clock.now() - start
        embeddings = segmenter.embed(edit.vocabulary)
        label(edit, embeddings, UNREFINED)
        found["new_full" if edit.new else "unrefined"] = clock.now() - start
        label(edit, embeddings, size.preset.refine)
        found["new_refined" if edit.new else "refined"] = clock.now() - start
        return found

    return respond


def measure_edits(subject: Subject) -> Iterator[Reading]:
    """Time edits through the engine alone."""
    return measure_latency("edit", subject, segmenter_response(subject))
