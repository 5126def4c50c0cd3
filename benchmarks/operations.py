"""How many operations encoding takes, and how fast this computer multiplies matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.timing import Clock
from napari_itaclip.clip.architecture import Architecture
from napari_itaclip.clip.recipes import Recipe


def block_products(sizes: Architecture) -> dict[str, tuple[int, int]]:
    """Return inputs and outputs of the four matrix products of an image tower's block."""
    width, hidden = sizes.vision_width, sizes.vision_hidden
    return {
        "qkv": (width, 3 * width),
        "attention output": (width, width),
        "feed-forward in": (width, hidden),
        "feed-forward out": (hidden, width),
    }


def crop_operations(sizes: Architecture, recipe: Recipe, patches: int) -> int:
    """Return the floating-point operations that the features of one crop need.

    Matrix products only, a multiplication and an addition each; what the formulas need, not what
    an implementation spends. Several attention maps of the last block are linear in what they are
    applied to, so they count one application.

    Parameters
    ----------
    sizes : Architecture
        The network.
    recipe : Recipe
        What the last block computes.
    patches : int
        Patches in the crop.
    """
    width, depth = sizes.vision_width, sizes.vision_layers
    tokens = patches + 1
    products = {name: 2 * tokens * n * m for name, (n, m) in block_products(sizes).items()}
    attention_map = 2 * tokens * tokens * width  # q kᵀ of all heads, and also A v
    embedding = 2 * patches * 3 * sizes.patch_size**2 * width
    ordinary = sum(products.values()) + 2 * attention_map
    feed_forward = products["feed-forward in"] + products["feed-forward out"]
    maps = sum(term != "identity" for term in recipe.attention)
    maps *= 1 + len(recipe.middle_blocks(depth))
    last = products["qkv"] + products["attention output"] + (maps + 1) * attention_map
    last += feed_forward if recipe.feed_forward else 0
    projection = 2 * tokens * width * sizes.embed_dim
    return embedding + (depth - 1) * ordinary + last + projection


@dataclass(frozen=True)
class _Product:
    """A matrix product to time: ``input @ weight`` and the operations it takes."""

    name: str
    input: Tensor
    weight: Tensor
    bias: Tensor

    @property
    def operations(self) -> int:
        rows, inner = self.input.shape
        return 2 * rows * inner * len(self.weight)

    def run(self, times: int) -> None:
        for _ in range(times):
            functional.linear(self.input, self.weight, self.bias)


class MatrixRate:
    """Measures the rate of the matrix products that a block of the image tower consists of.

    Parameters
    ----------
    sizes : Architecture
        The network.
    tokens : int
        Rows of a product: all tokens of the crops that run through the network together.
    dtype : torch.dtype
        Number format.
    clock : Clock
        Takes the times, and says where.
    burst_s : float
        Seconds that one measurement should take.
    """

    def __init__(
        self, sizes: Architecture, tokens: int, dtype: torch.dtype, clock: Clock, burst_s: float
    ) -> None:
        self._clock = clock
        self._products = [
            _Product(
                name,
                torch.randn(tokens, inner, device=clock.device, dtype=dtype),
                torch.randn(outer, inner, device=clock.device, dtype=dtype),
                torch.randn(outer, device=clock.device, dtype=dtype),
            )
            for name, (inner, outer) in block_products(sizes).items()
        ]
        for product in self._products:
            product.run(2)
        once = sum(clock.time(partial(product.run, 1))[0] for product in self._products)
        self._times = max(1, round(burst_s / max(once, 1e-9)))
        self._seconds = dict.fromkeys((product.name for product in self._products), 0.0)
        self._bursts = 0

    @torch.inference_mode()
    def burst(self) -> None:
        """Measure for about ``burst_s`` seconds and add it to what was measured."""
        for product in self._products:
            taken, _ = self._clock.time(partial(product.run, self._times))
            self._seconds[product.name] += taken
        self._bursts += 1

    def take(self) -> dict[str, float]:
        """Return operations per second of each product, and of all together; start anew."""
        runs = self._times * self._bursts
        rates = {p.name: p.operations * runs / self._seconds[p.name] for p in self._products}
        operations = sum(product.operations for product in self._products)
        rates["all"] = operations * runs / sum(self._seconds.values())
        self._seconds = dict.fromkeys(self._seconds, 0.0)
        self._bursts = 0
        return rates


def timed_steps(
    steps: Iterator[object], clock: Clock, between: MatrixRate | None = None
) -> tuple[float, int]:
    """Run a generator to its end.

    Parameters
    ----------
    steps : iterator
        Yields whenever a part of the work is done.
    clock : Clock
        Takes the times.
    between : MatrixRate, optional
        Measured before each step, so that both meet the same computer.

    Returns
    -------
    (float, int)
        Seconds of the steps alone, and how many they were.
    """
    seconds, count = 0.0, 0
    while True:
        if between is not None:
            between.burst()
        taken, step = clock.time(lambda: next(steps, None))
        seconds += taken
        if step is None:
            return seconds, count
        count += 1
