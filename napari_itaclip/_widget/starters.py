"""What helps a person who has nothing open yet."""

from __future__ import annotations

from typing import Any

from napari_itaclip.sample_data import everyday, sample_vocabulary, sample_words
from napari_itaclip.vocabulary.classes import Vocabulary

DEMO_WORLD = "everyday"
"""The scene that the button opens."""


def open_demo_scene(viewer: Any) -> tuple[Any, Vocabulary]:
    """Add the demo scene to the viewer; return its layer and words for it."""
    ((data, options, _),) = everyday()
    return viewer.add_image(data, **options), sample_vocabulary(DEMO_WORLD)


def example_words(image: Any) -> str:
    """Return words to begin with, one class per line: a sample scene's own, else everyday ones."""
    own = None if image is None else image.metadata.get("words")
    words = own if isinstance(own, tuple) and own else sample_words(DEMO_WORLD)
    return "\n".join(words)
