"""Phrases for words, the sets of phrases that compete for a patch, captions, and token rows."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from open_clip.tokenizer import SimpleTokenizer
from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES
from torch import Tensor

from training.data import COLOUR_SLOTS
from training.lexicon import COLOUR_SPELLINGS, COLOURS, Entry, load_lexicon
from training.pool import WORDS, world_words

DOMAIN_TEMPLATES: tuple[str, ...] = (
    "a satellite image of {}.",
    "an aerial photo of {}.",
    "a drone photo of the {}.",
    "a {} seen from above.",
    "a microscopy image of {}.",
    "a micrograph of the {}.",
    "{} under a microscope.",
    "a street scene with {}.",
    "a dashcam photo of the {}.",
    "there is {} in the scene.",
    "there is a {} in the picture.",
    "a picture of the {}.",
    "this is {}.",
    "{} in the background.",
)

_CAPTIONS = {
    "everyday": ("a picture of", "an outdoor scene with"),
    "driving": ("a street scene with", "a dashcam photo of"),
    "aerial": ("a satellite image of", "an aerial photo of"),
    "microscopy": ("a microscopy image of", "a micrograph of"),
}

# Common words that no world shows. Their tokens have no rows, so all of them train "unknown".
_UNRELATED = (
    "giraffe", "pizza", "laptop", "guitar", "elephant", "banana", "keyboard", "sofa", "penguin",
    "violin", "spoon", "candle", "toothbrush", "camera", "helmet", "sandwich", "dolphin",
    "teddy bear", "scissors", "pillow", "clock", "backpack", "kangaroo", "microwave", "rabbit",
    "carpet", "mirror", "tiger", "necktie", "bottle", "dog", "cat",
)  # fmt: skip


@cache
def all_templates() -> tuple[str, ...]:
    """Return the 80 ImageNet templates and the worlds' own, with ``{}`` for the word."""
    return (*imagenet_templates(), *DOMAIN_TEMPLATES)


@cache
def imagenet_templates() -> tuple[str, ...]:
    """Return the 80 templates that ITACLIP averages over."""
    return tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)


@cache
def _tokenizer() -> SimpleTokenizer:
    return SimpleTokenizer()


@cache
def _encode(text: str) -> tuple[int, ...]:
    return tuple(_tokenizer().encode(text))


class TokenRows:
    """Maps texts to rows of the compact token table.

    Every token id of the training texts has a row of its own; all others share the last row.
    """

    def __init__(self) -> None:
        tokenizer = _tokenizer()
        self.start, self.end = int(tokenizer.sot_token_id), int(tokenizer.eot_token_id)
        ids = {self.start, self.end}
        for text in _training_texts():
            ids.update(_encode(text))
        self.ids: tuple[int, ...] = tuple(sorted(ids))
        self._row = {token: row for row, token in enumerate(self.ids)}

    @property
    def unknown(self) -> int:
        """Row that all unlisted token ids share."""
        return len(self.ids)

    def encode(
        self, text: str, rng: np.random.Generator | None = None, drop: float = 0.0
    ) -> list[int]:
        """Return the rows of ``text`` with start and end; ``drop`` blots out tokens at random."""
        rows = [self._row.get(token, self.unknown) for token in _encode(text)]
        if rng is not None and drop > 0 and len(rows) >= 5:
            hidden = rng.random(len(rows)) < drop
            rows = [self.unknown if h else row for row, h in zip(rows, hidden, strict=True)]
        return [self._row[self.start], *rows, self._row[self.end]]

    def buckets(
        self, texts: Sequence[list[int]], sizes: Sequence[int] = (9, 13, 18)
    ) -> list[Bucket]:
        """Group encoded texts by length so that little is computed on padding."""
        lengths = np.array([len(text) for text in texts])
        grouped = []
        low = 0
        for high in (*sizes, 10_000):
            members = np.flatnonzero((lengths > low) & (lengths <= high))
            low = high
            if members.size:
                width = int(lengths[members].max())
                rows = torch.zeros(members.size, width, dtype=torch.long)
                for i, member in enumerate(members.tolist()):
                    rows[i, : lengths[member]] = torch.tensor(texts[member])
                ends = torch.from_numpy(lengths[members] - 1)
                grouped.append(Bucket(torch.from_numpy(members), rows, ends))
        return grouped


@dataclass(frozen=True)
class Bucket:
    """Texts of similar length: positions in the list, token rows, end positions."""

    members: Tensor
    rows: Tensor
    ends: Tensor


@dataclass(frozen=True)
class Candidates:
    """Phrases that compete for every patch of a batch.

    Attributes
    ----------
    texts : list of str
        All phrases.
    owner : Tensor of int64, shape (len(texts),)
        Candidate whose embedding the phrase's is averaged into.
    table : Tensor of int64, shape (len(WORDS) * COLOUR_SLOTS,)
        Candidate of each pixel code, -1 where none is right.
    allowed : Tensor of bool, shape (worlds, count)
        Which candidates belong to the vocabulary of which world (unrelated ones to all).
    count : int
        Number of candidates.
    """

    texts: list[str]
    owner: Tensor
    table: Tensor
    allowed: Tensor
    count: int


def draw_candidates(
    rng: np.random.Generator,
    worlds: Sequence[str],
    coloured: Sequence[Sequence[int]],
    negatives: int = 6,
    colour_share: float = 0.3,
    richness: float = 1.0,
) -> Candidates:
    """Draw one phrase (or a few to average) for every word, and some that must win nothing.

    Parameters
    ----------
    rng : numpy Generator
        The only source of randomness.
    worlds : sequence of str
        Names of the batch's worlds.
    coloured : sequence of sequence of int
        For each word of ``WORDS`` the colours (1-based) that its instances come in.
    negatives : int
        Number of unrelated candidates.
    colour_share : float
        How often three words are split into their colour variants.
    richness : float
        0 gives plain names only, 1 the full mixture of phrases.
    """
    vocabularies = [set(world_words(world).tolist()) for world in worlds]
    used = sorted(set().union(*vocabularies))
    split: set[int] = set()
    if rng.random() < colour_share:
        choices = [word for word in used if len(coloured[word]) > 1]
        split = set(rng.choice(choices, min(3, len(choices)), replace=False).tolist())
    texts: list[str] = []
    owner: list[int] = []
    members: list[list[bool]] = []
    table = np.full(len(WORDS) * COLOUR_SLOTS, -1, np.int64)
    lexicon = load_lexicon()

    def add(phrases: Iterable[str], membership: list[bool]) -> int:
        for phrase in phrases:
            texts.append(phrase)
            owner.append(len(members))
        members.append(membership)
        return len(members) - 1

    for word in used:
        entry = lexicon[WORDS[word]]
        membership = [word in vocabulary for vocabulary in vocabularies]
        first = word * COLOUR_SLOTS
        if word in split:
            for colour in coloured[word]:
                phrases = draw_phrases(rng, entry, COLOURS[colour - 1], richness)
                table[first + colour] = add(phrases, membership)
        else:
            table[first : first + COLOUR_SLOTS] = add(
                draw_phrases(rng, entry, richness=richness), membership
            )
    for _ in range(negatives):
        add(_wrap(rng, _unrelated(rng)), [True] * len(vocabularies))
    return Candidates(
        texts,
        torch.tensor(owner),
        torch.from_numpy(table),
        torch.tensor(members).T.contiguous(),
        len(members),
    )


def draw_phrases(
    rng: np.random.Generator, entry: Entry, colour: str | None = None, richness: float = 1.0
) -> list[str]:
    """Return one to three phrases for a word whose embeddings are to be averaged."""
    if rng.random() >= richness:
        return [f"{colour} {entry.word}" if colour else entry.word]
    kind = rng.random()
    if colour is not None:
        spelling = str(rng.choice(COLOUR_SPELLINGS.get(colour, (colour,))))
        name = entry.word if kind < 0.75 else str(rng.choice(entry.names))
        return _wrap(rng, f"{spelling} {name}")
    if kind < 0.52:
        return _wrap(rng, entry.word)
    if kind < 0.78:
        return _wrap(rng, str(rng.choice(entry.synonyms)))
    if kind < 0.84:
        return _wrap(rng, entry.plural or entry.word)
    if rng.random() < 0.4:
        return [entry.definition]
    return [_fill(rng, entry.definition)]


def draw_caption(
    rng: np.random.Generator, world: str, words: Sequence[int], colours: Sequence[int]
) -> str:
    """Return a caption that names ``words`` (positions in ``WORDS``) with their colours."""
    lexicon = load_lexicon()
    parts = []
    for word, colour in zip(words, colours, strict=True):
        entry = lexicon[WORDS[word]]
        name = entry.word if rng.random() < 0.6 else str(rng.choice(entry.names))
        parts.append(f"{COLOURS[colour - 1]} {name}" if colour and rng.random() < 0.5 else name)
    lead = str(rng.choice(_CAPTIONS[world]))
    body = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    return f"{lead} {body}."


def _wrap(rng: np.random.Generator, name: str) -> list[str]:
    kind = rng.random()
    if kind < 0.15:
        return [name]
    return [_fill(rng, name) for _ in range(1 if kind < 0.7 else 3)]


def _fill(rng: np.random.Generator, name: str) -> str:
    templates = all_templates() if rng.random() < 0.3 else imagenet_templates()
    return templates[int(rng.integers(len(templates)))].format(name)


def _unrelated(rng: np.random.Generator) -> str:
    if rng.random() < 0.5:
        return str(rng.choice(_UNRELATED))
    letters = rng.choice(list(string.ascii_lowercase), int(rng.integers(3, 11)))
    return "".join(letters.tolist())


def _training_texts() -> list[str]:
    """Return texts that together hold every token of the phrases and captions."""
    texts = [template.format("x") for template in all_templates()]
    texts += [*COLOURS, *(name for names in COLOUR_SPELLINGS.values() for name in names)]
    texts += [f"{lead}, x and x." for leads in _CAPTIONS.values() for lead in leads]
    for entry in load_lexicon().values():
        texts += [*entry.names, entry.definition]
    return texts
