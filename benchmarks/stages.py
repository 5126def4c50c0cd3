"""Measures the other steps against the textbook version, and a whole first result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.encoding import bfloat16_is_native
from benchmarks.report import Figure
from benchmarks.timing import Clock, Stages, alternate, median_ratio, summary
from benchmarks.workload import OTHER_WORDS, WORDS, Workload
from napari_itaclip.clip.embedding_cache import EmbeddingCache
from napari_itaclip.clip.text import TextEncoder, resolve_templates
from napari_itaclip.segmentation.decide import decide
from napari_itaclip.segmentation.refine import pamr
from napari_itaclip.segmentation.scores import patch_scores, score_map
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import Preset, RefineSettings
from tests import textbook

TEXT_GAIN = 7
EDIT_GAIN = 1000
PAMR_GAIN = 10
WHOLE_GAIN = {"float32": 3.5, "bfloat16": 6.0}

_SCORE_GRID = (28, 42)
"""Patches that the score maps for the refinement are drawn on."""


def measure_text(work: Workload) -> Iterator[Figure]:
    """Embed the words from cold, cut after the end of text, and on all 77 tokens."""
    plain, model = work.model(), work.model(work.fast_precision)
    words = work.vocabulary().words
    templates = resolve_templates(work.size.templates)
    model.tokenize("")  # reads the tokenizer's file
    found: dict[str, Tensor] = {}

    def fast() -> None:
        found["fast"] = TextEncoder(model, EmbeddingCache()).encode(words, templates)

    def slow() -> None:
        with torch.inference_mode():
            found["textbook"] = textbook.text_embeddings(
                plain.network, words, templates, plain.tokenize
            )

    warm_up = ("fast",) if work.on_cpu else ("fast", "textbook")
    times = alternate(
        Clock(work.device), {"fast": fast, "textbook": slow}, work.size.rounds, warm_up
    )
    prompts = len(words) * len(templates)
    yield Figure(
        "text",
        "gain",
        f"{len(words)} words in {len(templates)} templates, against 77 tokens each",
        median_ratio(times["textbook"], times["fast"]),
        target=TEXT_GAIN if work.on_cpu else None,
        note=_versus(times, f"{work.fast_precision} " if not work.on_cpu else ""),
        details=summary(times)
        | {"prompts": prompts, "max_difference": _difference(found["fast"], found["textbook"])},
    )


def measure_edit(work: Workload) -> Iterator[Figure]:
    """Label the photo for other words, features and embeddings at hand; against encoding it."""
    model = work.model(work.fast_precision)
    segmenter = Segmenter(model, EmbeddingCache())
    clock = Clock(work.device)
    unrefined = RefineSettings(iterations=0)
    preset = Preset("edit", "Unrefined.", work.preset.encode, unrefined, work.preset.decide)
    choices = [work.vocabulary(words) for words in (WORDS, OTHER_WORDS)]
    embedded = [work.random_embeddings(each, seed) for seed, each in enumerate(choices)]
    features = segmenter.encode(work.picture, work.preset)
    for each in choices:
        segmenter.embed(each)
    index = embedded[0].word_class_index

    def labels(turn: int) -> None:
        segmenter.segment_embedded(
            features, choices[turn], embedded[turn], refine=unrefined, decision=preset.decide
        )

    tasks: dict[str, Callable[[int], object]] = {
        "patch_scores": lambda turn: patch_scores(features, embedded[turn].embeddings),
        "score_map": lambda turn: score_map(features, embedded[turn].embeddings),
        "scores_and_decision": lambda turn: decide(
            score_map(features, embedded[turn].embeddings), index, preset.decide
        ),
        "labels": labels,
        "words_to_labels": lambda turn: segmenter.segment(features, choices[turn], preset),
    }
    encoding: list[float] = []
    edits: dict[str, list[float]] = {name: [] for name in tasks}
    with torch.inference_mode():
        for task in tasks.values():
            task(0)
        for _ in range(work.size.rounds):
            encoding.append(clock.time(lambda: segmenter.encode(work.picture, work.preset))[0])
            for name, task in tasks.items():
                times = [clock.time(partial(task, t % 2))[0] for t in range(work.size.edits)]
                edits[name].append(median(times))
    details = summary({"encode": encoding} | edits)
    meanings = {
        "patch_scores": "scores of the patches alone",
        "score_map": "scores of all pixels",
        "scores_and_decision": "scores and decision",
        "labels": "other embeddings at hand to labels",
        "words_to_labels": "other words, embedded before, to labels",
    }
    for name, meaning in meanings.items():
        yield Figure(
            "edit",
            name,
            f"{meaning}: times faster than encoding",
            median_ratio(encoding, edits[name]),
            target=EDIT_GAIN if name == "labels" and work.on_cpu else None,
            note=f"{median(edits[name]) * 1e3:.2f} ms",
            details={name: details[name], "encode": details["encode"]},
        )


def measure_pamr(work: Workload) -> Iterator[Figure]:
    """Refine score maps, streaming and with all neighbours unfolded."""
    coarse = torch.randn(work.size.words, *_SCORE_GRID, generator=torch.Generator().manual_seed(1))
    scores = textbook.resize_scores(coarse / 20, work.size.picture).to(work.device)
    height, width = work.size.picture
    # Both get the guide in float32.
    guide = textbook.pamr_guide(_resized(work), (height, width)).float().to(work.device)
    settings = work.preset.refine
    found: dict[str, Tensor] = {}

    def fast() -> None:
        found["fast"] = pamr(scores, guide, settings.iterations, settings.dilations)

    def slow() -> None:
        found["textbook"] = textbook.pamr(scores, guide, settings.iterations, settings.dilations)

    with torch.inference_mode():
        times = alternate(
            Clock(work.device),
            {"fast": fast, "textbook": slow},
            work.size.rounds,
            ("fast",) if work.on_cpu else ("fast", "textbook"),
        )
    yield Figure(
        "pamr",
        "gain",
        f"{len(scores)} maps of {height}x{width}, against all neighbours at once",
        median_ratio(times["textbook"], times["fast"]),
        target=PAMR_GAIN if work.on_cpu else None,
        note=_versus(times),
        details=summary(times) | {"max_difference": _difference(found["fast"], found["textbook"])},
    )


def measure_whole(work: Workload) -> Iterator[Figure]:
    """Compare everything from unknown words and a new photo to labels; the textbook runs once."""
    precisions = [work.fast_precision]
    if bfloat16_is_native(work) and work.half_precision not in precisions:
        precisions.append(work.half_precision)
    clock = Clock(work.device)
    for precision in precisions:
        work.model(precision).tokenize("")
    if not work.on_cpu:
        _fast_run(work, precisions[0], clock)  # compiles the card's kernels
    fast: dict[str, list[Stages]] = {precision: [] for precision in precisions}
    labels: dict[str, NDArray[np.integer[Any]]] = {}
    # The fast path before and after the textbook, which is too slow to run twice.
    for turn in range(2):
        for precision in precisions:
            stages, labels[precision] = _fast_run(work, precision, clock)
            fast[precision].append(stages)
        if turn == 0:
            slow, expected = _textbook_run(work, clock)
    for precision in precisions:
        runs = fast[precision]
        stages_s = {name: mean(run.seconds[name] for run in runs) for name in runs[0].seconds}
        yield Figure(
            "whole",
            f"gain_{precision}",
            f"first result from cold text in {precision}, against the textbook in float32",
            slow.total / mean(run.total for run in runs),
            target=WHOLE_GAIN.get(precision) if work.on_cpu else None,
            note=f"{mean(run.total for run in runs):.3g} s against {slow.total:.3g} s",
            details={
                "fast_s": stages_s,
                "fast_all_s": [run.total for run in runs],
                "textbook_s": slow.seconds,
                "labels_equal": float(np.mean(labels[precision] == expected)),
            },
        )


def _fast_run(
    work: Workload, precision: str, clock: Clock
) -> tuple[Stages, NDArray[np.integer[Any]]]:
    """Do what `Segmenter.segment` does, with an empty cache; return positions of the classes."""
    stages, preset, vocabulary = Stages(clock), work.preset, work.vocabulary()
    segmenter = Segmenter(work.model(precision), EmbeddingCache())
    embeddings = stages.run("text", lambda: segmenter.embed(vocabulary))
    features = stages.run("encode", lambda: segmenter.encode(work.picture, preset))
    result = stages.run(
        "scores, refinement, decision",
        lambda: segmenter.segment_embedded(
            features, vocabulary, embeddings, refine=preset.refine, decision=preset.decide
        ),
    )
    return stages, np.searchsorted(vocabulary.ids, result.labels)


@torch.inference_mode()
def _textbook_run(work: Workload, clock: Clock) -> tuple[Stages, NDArray[np.int64]]:
    stages, preset, model = Stages(clock), work.preset, work.model()
    words = work.vocabulary().words
    height, width = work.size.picture
    mean_, std = ([255 * value for value in values] for values in (model.mean, model.std))
    templates = resolve_templates(work.size.templates)
    embeddings = stages.run(
        "text",
        lambda: textbook.text_embeddings(model.network, words, templates, model.tokenize),
    )
    resized = stages.run("resize", lambda: _resized(work))
    image = textbook.normalise(resized, mean_, std).to(work.device)
    scores = stages.run(
        "encode and scores",
        lambda: textbook.resize_scores(
            textbook.slide_scores(
                model.network,
                image,
                embeddings,
                work.textbook_recipe,
                window=model.window,
                stride=preset.encode.stride,
                lam=preset.encode.lam,
            ),
            (height, width),
        ),
    )
    guide = textbook.pamr_guide(resized, (height, width)).float().to(work.device)
    refine = preset.refine
    refined = stages.run(
        "refinement", lambda: textbook.pamr(scores, guide, refine.iterations, refine.dilations)
    )
    decided = stages.run(
        "decision",
        lambda: textbook.decide(
            refined,
            range(len(words)),
            logit_scale=preset.decide.logit_scale,
            closing=False,
        ),
    )
    return stages, decided.labels


def _resized(work: Workload) -> NDArray[np.uint8]:
    """Return the photo at the working size, by the textbook."""
    height, width = work.size.picture
    encode = work.preset.encode
    size = textbook.resized_shape(height, width, encode.short_side, encode.max_long_side)
    return textbook.resize_image(work.picture, size)


def _difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def _versus(times: dict[str, list[float]], what: str = "") -> str:
    fast, slow = median(times["fast"]), median(times["textbook"])
    return f"{what}{fast:.3g} s against {slow:.3g} s"
