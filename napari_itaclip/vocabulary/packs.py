"""The vocabularies that ship with the package: one per domain, one per published benchmark.

A pack is an ordinary vocabulary file in the folder ``packs``. What tells it apart stands under its
key ``about``: ``title``, ``description``, ``licence`` and ``experimental``. The key ``classes``
comes last, so that a list of packs can be shown from the heads of the files alone.

All definitions were written for this package; only ``ade20k`` has none. A definition says how the
thing looks, begins with an article and has no full stop: it is put into templates like a word is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from napari_itaclip.errors import VocabularyError
from napari_itaclip.vocabulary.classes import ClassPrompt, Vocabulary
from napari_itaclip.vocabulary.files import loads_vocabulary

__all__ = ["BENCHMARKS", "PACKS", "PackInfo", "load_pack", "pack_names", "pack_source"]

BENCHMARKS: tuple[str, ...] = (
    "voc21",
    "context60",
    "coco_object",
    "coco_stuff",
    "cityscapes",
    "ade20k",
)
"""The packs with the words of the published benchmarks; presets of the same names go with them.

ITACLIP published words for all but ADE20K, where the classes' plain names stand."""

_FIRST = ("everyday", "driving", "aerial")
_ENDING = ".yaml"
# Not a module: `packs` has no Python files, and this module has its name.
_FOLDER = files("napari_itaclip") / "vocabulary" / "packs"
_HEAD_END = re.compile(r"^classes:", re.MULTILINE)
_CLASS = re.compile(r"^\s*- \{?name:", re.MULTILINE)


@dataclass(frozen=True)
class PackInfo:
    """What is known of a pack without reading its classes.

    Parameters
    ----------
    name
        What `load_pack` takes; the name of the file.
    title
        A short title for menus.
    domain
        What the images show.
    description
        What the pack is for, in one or two sentences.
    experimental
        Whether nobody has yet measured how well its words work.
    licence
        The licence of its texts.
    classes
        How many classes it has, the background among them.
    """

    name: str
    title: str
    domain: str
    description: str
    experimental: bool
    licence: str
    classes: int

    @property
    def benchmark(self) -> bool:
        """Whether it holds the words of a published benchmark."""
        return self.name in BENCHMARKS


class _Packs(Mapping[str, PackInfo]):
    """The packs by name, each read when it is first asked for."""

    def __getitem__(self, name: str) -> PackInfo:
        """Return what is known of a pack."""
        if name not in pack_names():
            raise KeyError(name)
        return _read_info(name)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, in the order of `pack_names`."""
        return iter(pack_names())

    def __len__(self) -> int:
        """Return the number of packs."""
        return len(pack_names())


PACKS: Mapping[str, PackInfo] = _Packs()
"""All packs by name; iterating reads no file."""


@cache
def pack_names() -> tuple[str, ...]:
    """Return the names of the packs: general domains, special domains, benchmarks."""
    found = {
        entry.name.removesuffix(_ENDING)
        for entry in _FOLDER.iterdir()
        if entry.name.endswith(_ENDING)
    }
    special = sorted(found.difference(_FIRST, BENCHMARKS))
    return tuple(name for name in (*_FIRST, *special, *BENCHMARKS) if name in found)


def pack_source(name: str) -> str:
    """Return how a text taken from a pack names its source."""
    return f"napari-itaclip pack {name}"


@cache
def load_pack(name: str) -> Vocabulary:
    """Return the vocabulary of a pack.

    Auxiliary texts that name no source or licence of their own get the pack's, so that a text
    keeps it when it is taken into another vocabulary.

    Parameters
    ----------
    name
        One of `pack_names`.

    Returns
    -------
    Vocabulary
        Its classes.

    Raises
    ------
    VocabularyError
        If there is no such pack, or its file is damaged.
    """
    if name not in pack_names():
        near = difflib.get_close_matches(name, pack_names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(pack_names())}"
        raise VocabularyError(f"there is no pack named {name!r}; {hint}")
    vocabulary = loads_vocabulary(_read(name), f"pack {name}")
    licence = _read_info(name).licence
    return Vocabulary(
        [_with_source(prompt, pack_source(name), licence) for prompt in vocabulary],
        alpha=vocabulary.alpha,
        templates=vocabulary.templates,
        domain=vocabulary.domain,
        allow_shared_words=vocabulary.allow_shared_words,
        next_id=vocabulary.next_id,
        about=vocabulary.about,
    )


def _with_source(prompt: ClassPrompt, source: str, licence: str) -> ClassPrompt:
    """Return a class whose texts all say where they come from."""
    texts = tuple(
        replace(text, source=text.source or source, licence=text.licence or licence)
        for text in prompt.auxiliary
    )
    return replace(prompt, auxiliary=texts)


@cache
def _read_info(name: str) -> PackInfo:
    """Read the head of a pack's file; the classes are only counted."""
    text = _read(name)
    end = _HEAD_END.search(text)
    try:
        if end is None:
            raise KeyError("classes")
        head: dict[str, Any] = yaml.safe_load(text[: end.start()])
        about = head["about"]
        return PackInfo(
            name=name,
            title=str(about["title"]),
            domain=str(head["domain"]),
            description=str(about["description"]),
            experimental=about["experimental"] is True,
            licence=str(about["licence"]),
            classes=len(_CLASS.findall(text, end.end())),
        )
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise VocabularyError(
            f"the pack {name} is damaged ({type(error).__name__}: {error}): "
            "install the package again"
        ) from error


def _read(name: str) -> str:
    """Return the text of a pack's file."""
    try:
        return (_FOLDER / f"{name}{_ENDING}").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VocabularyError(
            f"cannot read the pack {name}: {error}; install the package again"
        ) from error
