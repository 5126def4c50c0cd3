"""How the last transformer block is read out: the methods of the literature as data.

Every method here leaves the blocks before the last one as they are and differs only in the last
block's attention, in what surrounds it, and in whether middle layers lend their attention. A
method, or an ablation of it, is therefore one frozen `Recipe`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from napari_itaclip.errors import SettingsError

AttentionTerm = Literal["qk", "qq", "kk", "vv", "identity"]
"""One summand of an attention map: ``softmax(a bᵀ s)`` of the two named projections."""

ITACLIP_MIDDLE_LAYERS: tuple[float, ...] = (7 / 12, 8 / 12, 10 / 12)
"""Layers 7, 8 and 10 of twelve (ITACLIP, ablation of the middle layers), as fractions of depth."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the last block of the vision transformer computes.

    Parameters
    ----------
    name : str
        Name for messages and saved settings.
    attention : tuple of {"qk", "qq", "kk", "vv", "identity"}
        Summands of the attention map. Each is a softmax of its own; they are added, not averaged,
        so the rows of a two-term map sum to 2 (ITACLIP eq. 6).
    residual : bool
        Whether the block's input is added to the attention output.
    feed_forward : bool
        Whether the block's feed-forward part follows.
    middle_layers : tuple of float
        Layers whose attention (same summands) is averaged with the last one's, as fractions of the
        depth in (0, 1); layer ``round(fraction * depth)``, counted from 1 (ITACLIP eq. 8).
    middle_weight : float
        Share of the middle layers' mean in the final attention map, in [0, 1].
    gaussian_sigma : float or None
        Standard deviation, in patches, of the neighbourhood bonus that is added to the similarity
        of patches before the softmax (NACLIP); None for no bonus.
    source : str
        Where the method is published.

    Raises
    ------
    SettingsError
        If a field is out of its range.
    """

    name: str
    attention: tuple[AttentionTerm, ...]
    residual: bool
    feed_forward: bool
    middle_layers: tuple[float, ...] = ()
    middle_weight: float = 0.5
    gaussian_sigma: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        """Check every field."""
        known = get_args(AttentionTerm)
        for field in ("attention", "middle_layers"):
            values = getattr(self, field)
            if not isinstance(values, tuple | list):
                raise SettingsError(
                    f"Recipe {self.name!r}: {field} is {values!r}, but must be a tuple."
                )
            object.__setattr__(self, field, tuple(values))
        for field in ("residual", "feed_forward"):
            if not isinstance(getattr(self, field), bool):
                raise SettingsError(
                    f"Recipe {self.name!r}: {field} is {getattr(self, field)!r}, "
                    "but must be True or False."
                )
        if not self.attention:
            raise SettingsError(
                f"Recipe {self.name!r} has no attention term; choose from {', '.join(known)}."
            )
        for term in self.attention:
            if term not in known:
                raise SettingsError(
                    f"Recipe {self.name!r}: {term!r} is no attention term; "
                    f"choose from {', '.join(known)}."
                )
        for fraction in self.middle_layers:
            if not (_is_number(fraction) and 0 < fraction < 1):
                raise SettingsError(
                    f"Recipe {self.name!r}: middle layer {fraction!r} must lie between 0 and 1; "
                    "it is a fraction of the network's depth."
                )
        if not (_is_number(self.middle_weight) and 0 <= self.middle_weight <= 1):
            raise SettingsError(
                f"Recipe {self.name!r}: middle_weight is {self.middle_weight!r}, "
                "but must lie in [0, 1]."
            )
        sigma = self.gaussian_sigma
        if sigma is not None and not (_is_number(sigma) and 0 < sigma < math.inf):
            raise SettingsError(
                f"Recipe {self.name!r}: gaussian_sigma is {sigma!r}, but must be positive."
            )

    def middle_blocks(self, depth: int) -> tuple[int, ...]:
        """Return the 0-based indices of the middle layers in a network of ``depth`` blocks.

        Layers that fall together or onto the last block in a shallow network count once or not
        at all.
        """
        layers = {max(1, math.floor(fraction * depth + 0.5)) for fraction in self.middle_layers}
        return tuple(sorted(layer - 1 for layer in layers if layer < depth))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe(
                name="clip",
                attention=("qk",),
                residual=True,
                feed_forward=True,
                source="Radford et al., ICML 2021",
            ),
            Recipe(
                name="maskclip",
                attention=("identity",),
                residual=False,
                feed_forward=False,
                source="Zhou et al., ECCV 2022",
            ),
            Recipe(
                name="sclip",
                attention=("qq", "kk"),
                residual=True,
                feed_forward=True,
                source="arXiv 2312.01597",
            ),
            Recipe(
                name="clearclip",
                attention=("qq",),
                residual=False,
                feed_forward=False,
                source="arXiv 2407.12442",
            ),
            Recipe(
                name="naclip",
                attention=("kk",),
                residual=False,
                feed_forward=False,
                gaussian_sigma=5.0,
                source="arXiv 2404.08181",
            ),
            Recipe(
                name="itaclip",
                attention=("qq", "kk"),
                residual=True,
                feed_forward=False,
                middle_layers=ITACLIP_MIDDLE_LAYERS,
                source="arXiv 2411.12044, eqs. 6 to 8",
            ),
        )
    }
)
"""The published methods by name."""


def get_recipe(recipe: str | Recipe) -> Recipe:
    """Return the recipe of that name (a `Recipe` is returned as it is).

    Raises
    ------
    SettingsError
        If no recipe has that name.
    """
    if isinstance(recipe, Recipe):
        return recipe
    try:
        return RECIPES[recipe.lower()]
    except (KeyError, AttributeError):
        raise SettingsError(
            f"There is no recipe {recipe!r}; choose from {', '.join(RECIPES)}."
        ) from None
