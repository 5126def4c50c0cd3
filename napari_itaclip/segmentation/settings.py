"""Every number of the method with its default, its range and its origin, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal, get_args

from napari_itaclip.clip.recipes import RECIPES, Recipe, get_recipe
from napari_itaclip.errors import SettingsError
from napari_itaclip.segmentation._checks import (
    MAX_SIDE,
    check_flag,
    check_number,
    check_one_of,
    check_whole,
)

Pooling = Literal["max_score", "log_mean_exp", "max_probability"]
"""How the words of a class become one value: see `DecisionSettings`."""

Closing = Literal["off", "per_class", "labels"]
"""How small gaps in the label image are closed: see `DecisionSettings`."""


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """How an image becomes patch features. Changing any of these runs the network again.

    Parameters
    ----------
    short_side : int
        Length in pixels that the image's short side is resized to (reference: 336).
    max_long_side : int
        The long side never exceeds this many pixels, whatever the short side becomes.
    window : int or None
        Side of the sliding window in pixels; None for the model's own input size.
    stride : int
        Step between windows in pixels, at most the window (paper: 28; 112 costs about 1 mIoU).
    recipe : Recipe
        What the last block computes; a name is accepted.
    image_engineering : bool
        Whether the gray, blurred and flipped views take part (eqs. 10 and 11).
    lam : float
        λ in [0, 1]: weight of the unflipped views against the flipped ones (eq. 11).
    antialias : bool
        Average when the image shrinks. The reference samples instead, which aliases.

    Raises
    ------
    SettingsError
        If a value is out of its range.
    """

    short_side: int = 336
    max_long_side: int = 2048
    window: int | None = None
    stride: int = 112
    recipe: Recipe = RECIPES["itaclip"]
    image_engineering: bool = True
    lam: float = 0.75
    antialias: bool = True

    def __post_init__(self) -> None:
        """Check every field."""
        check_whole("short_side", self.short_side, 16, MAX_SIDE)
        check_whole("max_long_side", self.max_long_side, self.short_side, MAX_SIDE)
        if self.window is not None:
            check_whole("window", self.window, 16, MAX_SIDE)
        check_whole("stride", self.stride, 1, self.window or MAX_SIDE)
        check_flag("image_engineering", self.image_engineering)
        check_number("lam", self.lam, 0, 1)
        check_flag("antialias", self.antialias)
        object.__setattr__(self, "recipe", get_recipe(self.recipe))


@dataclass(frozen=True, slots=True)
class RefineSettings:
    """How scores are sharpened along the image's edges (PAMR).

    Parameters
    ----------
    iterations : int
        Rounds of averaging (reference: 10); 0 switches refinement off.
    dilations : tuple of int
        Distances in pixels of the eight neighbours each (reference: 8 and 16).

    Raises
    ------
    SettingsError
        If a value is out of its range.
    """

    iterations: int = 10
    dilations: tuple[int, ...] = (8, 16)

    def __post_init__(self) -> None:
        """Check every field."""
        check_whole("iterations", self.iterations, 0, 1000)
        given: object = self.dilations
        dilations = tuple(given) if isinstance(given, tuple | list) else ()
        for dilation in dilations:
            check_whole("dilations", dilation, 1, 256)
        if not dilations or len(set(dilations)) != len(dilations):
            raise SettingsError(
                f"dilations is {given!r}, but must hold different distances in pixels, "
                "such as (8, 16)."
            )
        object.__setattr__(self, "dilations", dilations)


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """How scores become labels. None of these touches the network.

    Parameters
    ----------
    logit_scale : float
        Factor before the softmax (paper: 40 to 60); higher is more decided.
    pooling : {"max_score", "log_mean_exp", "max_probability"}
        How the words of a class become one value. "max_score" takes the best word's score and then
        the softmax over classes, so a class loses nothing by having synonyms; "log_mean_exp" is
        its soft form; "max_probability" takes the softmax over words first and then the best word,
        as the reference does.
    probability_threshold : float
        Pixels whose best class is less probable than this become label 0 (reference: 0.1 where
        there is a background class). It depends on how many words compete.
    margin_threshold : float
        Pixels whose best class leads the second by less than this probability become label 0.
        Unlike the threshold above it means much the same for 3 words and for 80.
    area_threshold : float or None
        Foreground classes that cover no more than this share of the foreground are removed
        (reference: 0.1 for VOC). With many classes it erases all of them.
    closing : {"off", "per_class", "labels"}
        Morphological closing, 3x3. "per_class" fills gaps of each class that no other class claims
        too; "labels" closes the label numbers as the reference does, where a class with a lower
        number loses to its neighbours.

    Raises
    ------
    SettingsError
        If a value is out of its range.
    """

    logit_scale: float = 50.0
    pooling: Pooling = "max_score"
    probability_threshold: float = 0.0
    margin_threshold: float = 0.0
    area_threshold: float | None = None
    closing: Closing = "off"

    def __post_init__(self) -> None:
        """Check every field."""
        check_number("logit_scale", self.logit_scale, 1e-3, 1e4)
        check_one_of("pooling", self.pooling, get_args(Pooling))
        check_number("probability_threshold", self.probability_threshold, 0, 1)
        check_number("margin_threshold", self.margin_threshold, 0, 1)
        if self.area_threshold is not None:
            check_number("area_threshold", self.area_threshold, 0, 1)
        check_one_of("closing", self.closing, get_args(Closing))


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings that belong together, under a name.

    Parameters
    ----------
    name : str
        What a person types.
    description : str
        One line for help texts and menus.
    encode, refine, decide : EncodeSettings, RefineSettings, DecisionSettings
        The settings.
    """

    name: str
    description: str
    encode: EncodeSettings = field(default_factory=EncodeSettings)
    refine: RefineSettings = field(default_factory=RefineSettings)
    decide: DecisionSettings = field(default_factory=DecisionSettings)


def _benchmark(
    name: str,
    description: str,
    *,
    short_side: int,
    lam: float,
    logit_scale: float,
    probability_threshold: float,
    area_threshold: float | None = None,
) -> Preset:
    """Return the published settings of one data set, with the reference's decision step."""
    return Preset(
        name=name,
        description=description,
        encode=EncodeSettings(
            short_side=short_side, window=224, stride=28, lam=lam, antialias=False
        ),
        decide=DecisionSettings(
            logit_scale=logit_scale,
            pooling="max_probability",
            probability_threshold=probability_threshold,
            area_threshold=area_threshold,
            closing="labels",
        ),
    )


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                name="draft",
                description="A quick look: windows side by side, one view, no refinement.",
                encode=EncodeSettings(stride=224, image_engineering=False),
                refine=RefineSettings(iterations=0),
            ),
            Preset(
                name="balanced",
                description="Stride 112, all views, refined: nearly the paper's quality.",
            ),
            Preset(
                name="paper",
                description="Stride 28 as in the paper: about ten times the work of balanced.",
                encode=EncodeSettings(stride=28),
            ),
            _benchmark(
                "voc21",
                "Pascal VOC with background, as published.",
                short_side=336,
                lam=0.7,
                logit_scale=60,
                probability_threshold=0.1,
                area_threshold=0.1,
            ),
            _benchmark(
                "voc20",
                "Pascal VOC without background: the settings of voc21 without thresholds.",
                short_side=336,
                lam=0.7,
                logit_scale=60,
                probability_threshold=0,
            ),
            _benchmark(
                "context60",
                "Pascal Context with background, as published.",
                short_side=336,
                lam=0.75,
                logit_scale=55,
                probability_threshold=0.1,
            ),
            _benchmark(
                "context59",
                "Pascal Context without background: as context60 without threshold.",
                short_side=336,
                lam=0.75,
                logit_scale=55,
                probability_threshold=0,
            ),
            _benchmark(
                "coco_object",
                "COCO-Object, as published.",
                short_side=336,
                lam=0.75,
                logit_scale=50,
                probability_threshold=0.1,
            ),
            _benchmark(
                "coco_stuff",
                "COCO-Stuff, as published.",
                short_side=448,
                lam=0.75,
                logit_scale=40,
                probability_threshold=0,
            ),
            _benchmark(
                "cityscapes",
                "Cityscapes, as published.",
                short_side=560,
                lam=0.7,
                logit_scale=40,
                probability_threshold=0,
            ),
            _benchmark(
                "ade20k",
                "ADE20K, for which ITACLIP published no settings: those of coco_stuff.",
                short_side=448,
                lam=0.75,
                logit_scale=40,
                probability_threshold=0,
            ),
        )
    }
)
"""The presets by name."""


def get_preset(preset: str | Preset) -> Preset:
    """Return the preset of that name (a `Preset` is returned as it is).

    Raises
    ------
    SettingsError
        If no preset has that name.
    """
    if isinstance(preset, Preset):
        return preset
    try:
        return PRESETS[preset.lower()]
    except (KeyError, AttributeError):
        raise SettingsError(
            f"There is no preset {preset!r}; choose from {', '.join(PRESETS)}."
        ) from None


def encode_settings_to_dict(settings: EncodeSettings) -> dict[str, Any]:
    """Return ``settings`` as JSON-safe values."""
    return asdict(settings)


def encode_settings_from_dict(values: Mapping[str, Any]) -> EncodeSettings:
    """Return the settings that `encode_settings_to_dict` wrote.

    Raises
    ------
    SettingsError
        If a value is missing, unknown or out of range.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"The settings are {values!r}, but must be a mapping.")
    known = {item.name for item in fields(EncodeSettings)}
    unknown = set(values) - known
    if unknown:
        raise SettingsError(f"Unknown settings: {', '.join(sorted(map(str, unknown)))}.")
    recipe = values.get("recipe")
    if not isinstance(recipe, Mapping):
        raise SettingsError(f"The recipe is {recipe!r}, but must be a mapping.")
    try:
        fields_of: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in recipe.items()
        }
        rebuilt = Recipe(**fields_of)
        return EncodeSettings(**{**values, "recipe": rebuilt})
    except TypeError as error:
        raise SettingsError(f"The settings cannot be read: {error}.") from error
