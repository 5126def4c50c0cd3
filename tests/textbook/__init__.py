"""A plain, slow ITACLIP, written from the formulas alone, to judge the fast path by.

It goes window by window and view by view, upsamples every window's scores to pixels, adds them up
and divides by the cover count, and unfolds all sixteen neighbours for PAMR, the way the papers
describe it: ITACLIP (arXiv 2411.12044), SCLIP (arXiv 2312.01597), ClearCLIP (arXiv 2407.12442),
NACLIP (arXiv 2404.08181), MaskCLIP (ECCV 2022) and PAMR (Araslanov & Roth, CVPR 2020).
Nothing of ``napari_itaclip`` is imported here. All functions compute in the floating-point type of
their input (``float64`` gives a truth to compare ``float32`` with) and read an open_clip ``CLIP``'s
parameters by attribute.

The stages are separate functions so that a benchmark can time each:
`text_embeddings`, `window_features`, `slide_scores`, `pamr`, `decide`.
"""

from __future__ import annotations

from tests.textbook.decision import (
    Decision,
    class_probabilities,
    decide,
    grey_closing,
    remove_small_classes,
)
from tests.textbook.network import (
    POSITION_OFFSET,
    TEXTBOOK_RECIPES,
    TextbookRecipe,
    gaussian_neighbourhood,
    position_embedding,
    self_attention,
    visual_tokens,
)
from tests.textbook.picture import (
    BLUR_SIGMA,
    BLUR_SIZE,
    GRAY_WEIGHTS,
    VIEWS,
    gaussian_blur,
    grayscale,
    normalise,
    resize_image,
    resized_shape,
    view_of,
)
from tests.textbook.refine import pamr, pamr_guide
from tests.textbook.scores import (
    resize_scores,
    slide_scores,
    window_features,
    window_scores,
    window_starts,
    windows_of,
)
from tests.textbook.text import encode_tokens, fuse, text_embeddings

__all__ = [
    "BLUR_SIGMA",
    "BLUR_SIZE",
    "GRAY_WEIGHTS",
    "POSITION_OFFSET",
    "TEXTBOOK_RECIPES",
    "VIEWS",
    "Decision",
    "TextbookRecipe",
    "class_probabilities",
    "decide",
    "encode_tokens",
    "fuse",
    "gaussian_blur",
    "gaussian_neighbourhood",
    "grayscale",
    "grey_closing",
    "normalise",
    "pamr",
    "pamr_guide",
    "position_embedding",
    "remove_small_classes",
    "resize_image",
    "resize_scores",
    "resized_shape",
    "self_attention",
    "slide_scores",
    "text_embeddings",
    "view_of",
    "visual_tokens",
    "window_features",
    "window_scores",
    "window_starts",
    "windows_of",
]
