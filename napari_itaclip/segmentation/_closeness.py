"""When two texts are close to a model, whose cosines may be high or low in general."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from napari_itaclip.segmentation.segmenter import Segmenter
from napari_itaclip.vocabulary.templates import Templates

GENERIC_WORDS = ("something", "a thing", "an object", "a texture")
"""Prompts that name nothing in particular: what a word must beat to say anything."""

CLOSE = 0.5
"""Two texts are close when they are less than this part of the distance apart that words have from
the generic prompts on average: half-way from meaning nothing in particular to meaning the same. On
the demo model it warns of every text that belongs to another class and of none that belongs to its
own, known or rare (tests/test_words_that_work.py)."""


@torch.inference_mode()
def close_limit(segmenter: Segmenter, words: Tensor, templates: Templates) -> float:
    """Return the cosine from which two texts are close.

    Parameters
    ----------
    segmenter : Segmenter
        Embeds the generic prompts.
    words : Tensor, shape (W, D)
        Embeddings of the words that are compared with.
    templates : str or tuple of str
        The templates they were made with.
    """
    generic = segmenter.embed_texts(GENERIC_WORDS, templates).to(words.device)
    typical = float((functional.normalize(words.float(), dim=-1) @ generic.t()).mean())
    return 1 - CLOSE * (1 - typical)
