"""The words of all worlds, what else they are called and how they look (``lexicon.yaml``)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

COLOURS: tuple[str, ...] = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray",
)  # fmt: skip
"""Colour words that instances carry (``Region.colour``)."""

COLOUR_SPELLINGS: dict[str, tuple[str, ...]] = {
    "gray": ("gray", "grey"),
    "purple": ("purple", "violet"),
}
"""Colours with more than one spelling."""

_FILE = Path(__file__).with_name("lexicon.yaml")


@dataclass(frozen=True)
class Entry:
    """One concept.

    Attributes
    ----------
    word : str
        The scenes' own word for it.
    synonyms : tuple of str
        At least two other names, the last one a rarer word.
    plural : str or None
        Plural of ``word`` where it has one.
    definition : str
        How the thing looks.
    colours : bool
        Whether instances may carry a colour word.
    """

    word: str
    synonyms: tuple[str, ...]
    plural: str | None
    definition: str
    colours: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that the thing may be called: word, synonyms, plural."""
        return (self.word, *self.synonyms, *((self.plural,) if self.plural else ()))


@cache
def load_lexicon() -> dict[str, Entry]:
    """Return every entry by its word, in file order."""
    words = yaml.safe_load(_FILE.read_text(encoding="utf-8"))["words"]
    return {
        word: Entry(
            word,
            tuple(entry["synonyms"]),
            entry.get("plural"),
            entry["definition"],
            bool(entry.get("colours", False)),
        )
        for word, entry in words.items()
    }


def lexicon_hash() -> str:
    """Return a short digest of the lexicon file, to tell what a checkpoint was trained on."""
    return hashlib.sha256(_FILE.read_bytes()).hexdigest()[:16]
