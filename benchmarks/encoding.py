"""Measures the image tower: its share of the matrix rate, and what bfloat16 gains and costs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.operations import MatrixRate, crop_operations, timed_steps
from benchmarks.report import Figure
from benchmarks.timing import Clock, alternate, median_ratio, summary
from benchmarks.workload import Workload
from napari_itaclip import sample_data
from napari_itaclip.clip.checkpoints import ClipModel, load_clip
from napari_itaclip.clip.device import cpu_bfloat16_gain, resolve_precision
from napari_itaclip.clip.embedding_cache import EmbeddingCache
from napari_itaclip.errors import CheckpointError, ImageError
from napari_itaclip.segmentation.encode import EncodeProgress, iter_encode, model_recipe
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.image import prepare_image
from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.segmentation.settings import RefineSettings
from napari_itaclip.segmentation.views import VIEW_COUNT

ENCODE_SHARE = 0.8
AGREEMENT = 0.99
VOCABULARIES = 5
"""Random vocabularies whose labels are compared between the precisions."""

HOPELESS = 0.5
"""Below this gain bfloat16 is emulated, and waiting for it tells nothing."""


def bfloat16_is_native(work: Workload) -> bool:
    """Return whether the half precision is worth measuring here."""
    return not work.on_cpu or cpu_bfloat16_gain() >= HOPELESS


def measure_encode(work: Workload) -> Iterator[Figure]:
    """Compare the operations per second of encoding with those of its matrix products."""
    half = [work.half_precision] if bfloat16_is_native(work) else []
    # The format that is used on the device comes first and is the one with the target.
    for precision in ["float32", *half] if work.on_cpu else [*half, "float32"]:
        judged = work.on_cpu and precision == "float32"
        yield _encode_share(work, precision, ENCODE_SHARE if judged else None)


def _encode_share(work: Workload, precision: str, target: float | None) -> Figure:
    model = work.model(precision)
    image, settings = prepare_image(work.picture), work.preset.encode
    clock = Clock(work.device)

    def steps() -> Iterator[EncodeProgress]:
        return iter_encode(model, image, settings)

    done = [0, *(step.done for step in steps())]
    windows = done[-1]
    crops = windows * VIEW_COUNT
    patches = (model.window // model.patch_size) ** 2
    at_once = max(b - a for a, b in pairwise(done)) * VIEW_COUNT
    recipe = model_recipe(model, settings.recipe)
    operations = crops * crop_operations(model.sizes, recipe, patches)

    tokens = at_once * (patches + 1)
    probe = MatrixRate(model.sizes, tokens, model.dtype, clock, work.size.probe_s)
    rounds: list[dict[str, float]] = []
    for _ in range(work.size.rounds):
        # Waiting for a GPU after every step would measure the waiting.
        if work.on_cpu:
            seconds, _ = timed_steps(steps(), clock, between=probe)
        else:
            probe.burst()
            seconds, _ = clock.time(lambda: sum(1 for _ in steps()))
            probe.burst()
        rates = probe.take()
        rounds.append(
            {"encode_s": seconds, "encode": operations / seconds}
            | {f"product: {name}": rate for name, rate in rates.items()}
        )
    share = median(each["encode"] / each["product: all"] for each in rounds)
    return Figure(
        "encode",
        f"matrix_rate_share_{precision}",
        f"encoding in {precision}: share of the rate of its matrix products",
        share,
        "fraction",
        target,
        note=_rates_note(rounds, windows, settings.stride),
        details={
            "stride": settings.stride,
            "windows": windows,
            "crops": crops,
            "tokens_at_once": tokens,
            "operations": operations,
            "share_of_fastest_product": median(
                each["encode"] / max(v for k, v in each.items() if k.startswith("product: "))
                for each in rounds
            ),
            "rounds": rounds,
        },
    )


def _rates_note(rounds: list[dict[str, float]], windows: int, stride: int) -> str:
    encode, product, seconds = (
        median(each[key] for each in rounds) for key in ("encode", "product: all", "encode_s")
    )
    return (
        f"{windows} windows (stride {stride}) in {seconds:.3g} s: "
        f"{encode / 1e9:,.0f} of {product / 1e9:,.0f} GFLOP/s"
    )


def measure_bfloat16(work: Workload) -> Iterator[Figure]:
    """Compare the two-byte format with float32: speed and labels."""
    half = work.half_precision
    yield _automatic_choice(work)
    if not bfloat16_is_native(work):
        note = "this processor only emulates bfloat16"
        yield Figure(
            "bfloat16", "encode_gain", f"encoding, {half} against float32", None, note=note
        )
        return
    models = {precision: work.model(precision) for precision in ("float32", half)}
    segmenters = {name: Segmenter(model, EmbeddingCache()) for name, model in models.items()}
    kept: dict[str, ImageFeatures] = {}

    def encode(precision: str) -> None:
        kept[precision] = segmenters[precision].encode(work.picture, work.preset)

    times = alternate(
        Clock(work.device),
        {name: partial(encode, name) for name in models},
        work.size.rounds,
        warm_up=tuple(models),
    )
    yield Figure(
        "bfloat16",
        "encode_gain",
        f"encoding, {half} against float32",
        median_ratio(times["float32"], times[half]),
        details=summary(times),
    )
    yield _random_agreement(work, segmenters, kept)
    if work.size.demo:
        yield _demo_agreement(work, half)


def _automatic_choice(work: Workload) -> Figure:
    chosen = str(resolve_precision("auto", work.device)).removeprefix("torch.")
    return Figure(
        "bfloat16",
        "auto",
        "matrix product, bfloat16 against float32, as precision='auto' measures it",
        cpu_bfloat16_gain() if work.on_cpu else None,
        note=f"auto chooses {chosen}",
        details={"chosen": chosen},
    )


def _random_agreement(
    work: Workload, segmenters: dict[str, Segmenter], features: dict[str, ImageFeatures]
) -> Figure:
    """Compare labels of the random network for random words, refined and unrefined."""
    vocabulary = work.vocabulary()
    shares: dict[str, list[float]] = {"refined": [], "unrefined": []}
    for seed in range(VOCABULARIES):
        embeddings = work.random_embeddings(vocabulary, seed)
        for name, refine in (
            ("refined", work.preset.refine),
            ("unrefined", RefineSettings(iterations=0)),
        ):
            one, other = (
                segmenter.segment_embedded(
                    features[precision],
                    vocabulary,
                    embeddings,
                    refine=refine,
                    decision=work.preset.decide,
                ).labels
                for precision, segmenter in segmenters.items()
            )
            shares[name].append(float(np.mean(one == other)))
    return Figure(
        "bfloat16",
        "agreement_random",
        "labels equal to float32's, random weights and words",
        float(np.mean(shares["refined"])),
        "fraction",
        AGREEMENT,
        note=f"{VOCABULARIES} vocabularies; the worst {min(shares['refined']):.2%}",
        details=shares,
    )


def _demo_agreement(work: Workload, half: str) -> Figure:
    """Compare labels of the demo model for the scenes that ship with the package."""
    meaning = "labels equal to float32's, demo model and its scenes"
    try:
        segmenters = [
            Segmenter(_demo(work.device, precision), EmbeddingCache())
            for precision in ("float32", half)
        ]
        shares: dict[str, Any] = {}
        for world in sample_data.WORLDS:
            picture, words = sample_data.sample_image(world), sample_data.sample_words(world)
            one, other = (each.segment(picture, list(words)).labels for each in segmenters)
            shares[world] = float(np.mean(one == other))
    except (CheckpointError, ImageError) as error:
        return Figure(
            "bfloat16", "agreement_demo", meaning, None, "fraction", AGREEMENT,
            note=f"not measured: {error}",
        )  # fmt: skip
    return Figure(
        "bfloat16",
        "agreement_demo",
        meaning,
        float(np.mean(list(shares.values()))),
        "fraction",
        AGREEMENT,
        note=f"the worst scene {min(shares.values()):.2%}",
        details=shares,
    )


def _demo(device: torch.device, precision: str) -> ClipModel:
    return load_clip("demo", device=device, precision=precision)
