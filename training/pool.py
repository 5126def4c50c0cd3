"""Scenes drawn once, kept on disk as plain arrays and read through memory maps."""

from __future__ import annotations

import hashlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from training.lexicon import COLOURS, load_lexicon
from training.scenes import WORLDS, draw_scene

SIZE = 512
"""Side of every drawn scene in pixels."""

HELD_OUT = 1_000_000
"""Scenes from this seed on are never trained on."""

WORDS: tuple[str, ...] = tuple(load_lexicon())
"""All words of all worlds; class maps hold positions in this tuple."""

_KEYS = ("image", "word", "colour")
_CHUNK = 20


@dataclass(frozen=True)
class Pool:
    """Drawn scenes of one world.

    Attributes
    ----------
    world : str
        Name of the world.
    images : ndarray of uint8, shape (N, 512, 512, 3)
        Pictures.
    words : ndarray of uint8, shape (N, 512, 512)
        Position of each pixel's word in ``WORDS``.
    colours : ndarray of uint8, shape (N, 512, 512)
        0 where the thing carries no colour word, else 1 + position in ``COLOURS``.
    counts : ndarray of int64, shape (N, len(WORDS))
        Pixels per scene and word.
    """

    world: str
    images: NDArray[np.uint8]
    words: NDArray[np.uint8]
    colours: NDArray[np.uint8]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of scenes."""
        return int(self.images.shape[0])


def load_pool(world: str, first_seed: int, count: int, cache: Path, processes: int = 2) -> Pool:
    """Return the scenes of ``world`` with seeds from ``first_seed`` on, drawing them if needed.

    The file names hold a digest of the drawing code, so changed worlds are drawn anew.
    """
    cache.mkdir(parents=True, exist_ok=True)
    stem = f"{world}-{first_seed}-{count}-{_code_digest()}"
    paths = {key: cache / f"{stem}-{key}.npy" for key in _KEYS}
    done = cache / f"{stem}.npy"
    if not done.exists():
        counts = _draw_all(world, first_seed, count, paths, processes)
        np.save(done, counts)
    maps = [np.load(paths[key], mmap_mode="r") for key in _KEYS]
    return Pool(world, maps[0], maps[1], maps[2], np.load(done))


def _draw_all(
    world: str, first_seed: int, count: int, paths: dict[str, Path], processes: int
) -> NDArray[np.int64]:
    shapes = {"image": (count, SIZE, SIZE, 3), "word": (count, SIZE, SIZE)}
    for key in _KEYS:
        open_memmap(paths[key], "w+", np.uint8, shapes.get(key, shapes["word"])).flush()
    chunks = [
        (world, first_seed, i, min(_CHUNK, count - i), paths) for i in range(0, count, _CHUNK)
    ]
    if processes <= 1:
        return np.concatenate([_draw_chunk(chunk) for chunk in chunks])
    with ProcessPoolExecutor(processes) as workers:
        return np.concatenate(list(workers.map(_draw_chunk, chunks)))


def _draw_chunk(chunk: tuple[str, int, int, int, dict[str, Path]]) -> NDArray[np.int64]:
    world, first_seed, begin, count, paths = chunk
    maps = {key: np.load(path, mmap_mode="r+") for key, path in paths.items()}
    counts = np.zeros((count, len(WORDS)), np.int64)
    word_index = {word: i for i, word in enumerate(WORDS)}
    colour_index = {colour: i + 1 for i, colour in enumerate(COLOURS)}
    for i in range(count):
        scene = draw_scene(world, first_seed + begin + i, (SIZE, SIZE))
        words = np.array([word_index[r.word] for r in scene.regions], np.uint8)
        colours = np.array([colour_index.get(r.colour or "", 0) for r in scene.regions], np.uint8)
        maps["image"][begin + i] = scene.image
        maps["word"][begin + i] = words[scene.region_map]
        maps["colour"][begin + i] = colours[scene.region_map]
        counts[i] = np.bincount(maps["word"][begin + i].ravel(), minlength=len(WORDS))
    return counts


def world_words(world: str) -> NDArray[np.int64]:
    """Return the positions in ``WORDS`` of a world's vocabulary."""
    return np.array([WORDS.index(word) for word in WORLDS[world].words], np.int64)


def _code_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "scenes").glob("*.py")):
        digest.update(path.read_bytes())
    digest.update("|".join((*WORDS, *COLOURS)).encode())
    return digest.hexdigest()[:12]
