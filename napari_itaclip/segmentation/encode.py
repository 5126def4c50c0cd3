"""From an image to its features: resize, cut into windows, look at them, fuse."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_itaclip.clip.checkpoints import ClipModel
from napari_itaclip.clip.recipes import ITACLIP_MIDDLE_LAYERS, Recipe
from napari_itaclip.clip.vision import patch_features
from napari_itaclip.segmentation.features import ImageFeatures
from napari_itaclip.segmentation.image import PreparedImage
from napari_itaclip.segmentation.resize import resize_picture
from napari_itaclip.segmentation.settings import EncodeSettings
from napari_itaclip.segmentation.views import VIEW_COUNT, fuse_views, make_views
from napari_itaclip.segmentation.windows import Axis, coarse_to_fine, plan_axis

_CROPS_PER_BATCH = {"cpu": 10, "mps": 40, "cuda": 240}
"""Views of windows that run through the network together: enough to keep it busy, and no more,
so that progress is reported and a stop is obeyed soon."""


@dataclass(frozen=True)
class EncodeProgress:
    """One step of encoding an image.

    Attributes
    ----------
    done, total : int
        Windows that are finished, and how many there are.
    features : ImageFeatures or None
        Features that cover the whole image, whenever a coarser or the final plan of windows has
        just become complete; None in between.
    """

    done: int
    total: int
    features: ImageFeatures | None


def working_size(shape: tuple[int, int], settings: EncodeSettings) -> tuple[int, int]:
    """Return height and width in pixels that an image of ``shape`` is resized to."""
    short, long = min(shape), max(shape)
    scale = min(settings.max_long_side / long, settings.short_side / short)
    height, width = (max(1, int(side * scale + 0.5)) for side in shape)
    return height, width


def window_of(model: ClipModel, settings: EncodeSettings) -> int:
    """Return the side of the windows in pixels.

    Raises
    ------
    SettingsError
        If window and stride do not suit the model.
    """
    window = settings.window or model.window
    plan_axis(window, window, settings.stride, model.patch_size)
    return window


def iter_encode(
    model: ClipModel, image: PreparedImage, settings: EncodeSettings
) -> Iterator[EncodeProgress]:
    """Compute the features of ``image`` window by window.

    Windows are taken coarse to fine, so early steps already carry features of the whole image.
    Closing the generator stops the work.

    Parameters
    ----------
    model : ClipModel
        The network.
    image : PreparedImage
        Picture of any size.
    settings : EncodeSettings
        How to look at it.

    Yields
    ------
    EncodeProgress
        After every batch of windows; the last one carries the final features.

    Raises
    ------
    SettingsError
        If window and stride do not suit the model.
    """
    plan = _plan(model, image, settings)
    recipe = model_recipe(model, settings.recipe)
    normalised = normalise(plan.picture, model.mean, model.std, model.device)
    views = VIEW_COUNT if settings.image_engineering else 1
    batch_size = max(1, _CROPS_PER_BATCH.get(model.device.type, 10) // views)
    total = len(plan.rows.starts) * len(plan.columns.starts)
    known: dict[tuple[int, int], Tensor] = {}
    for rows, columns in coarse_to_fine(plan.rows, plan.columns, settings.stride):
        places = list(itertools.product(rows.starts, columns.starts))
        missing = [place for place in places if place not in known]
        for batch in _batched(missing, batch_size):
            maps = _encode_windows(model, normalised, plan, batch, recipe)
            known.update(zip(batch, maps, strict=True))
            complete = batch[-1] == missing[-1]
            features = None
            if complete:
                features = replace(
                    plan, features=_stack(known, rows, columns), rows=rows, columns=columns
                )
            yield EncodeProgress(len(known), total, features)


def _batched(places: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]


def model_recipe(model: ClipModel, recipe: Recipe) -> Recipe:
    """Return ``recipe`` with the model's own choice of middle layers, if it has one.

    Only the paper's choice is replaced; middle layers that were set by hand stay.
    """
    own = model.spec.middle_layers
    if own is None or recipe.middle_layers != ITACLIP_MIDDLE_LAYERS:
        return recipe
    return replace(recipe, middle_layers=own)


def normalise(
    picture: NDArray[np.uint8],
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    device: torch.device,
) -> Tensor:
    """Return ``picture`` ``(h, w, 3)`` uint8 as normalised float32 ``(3, h, w)``."""
    tensor = torch.tensor(picture, device=device).permute(2, 0, 1).float()
    offset = tensor.new_tensor(mean).view(3, 1, 1) * 255
    scale = tensor.new_tensor(std).view(3, 1, 1) * 255
    return (tensor - offset) / scale


def _plan(model: ClipModel, image: PreparedImage, settings: EncodeSettings) -> ImageFeatures:
    """Return the features to be, with everything but the network's part."""
    shape = (image.rgb.shape[0], image.rgb.shape[1])
    size = working_size(shape, settings)
    window = window_of(model, settings)
    rows, columns = (plan_axis(side, window, settings.stride, model.patch_size) for side in size)
    return ImageFeatures(
        features=torch.empty(0),
        rows=rows,
        columns=columns,
        picture=resize_picture(image.rgb, size, antialias=settings.antialias),
        shape=shape,
        valid=image.valid,
        model=model.identity,
        settings=settings,
    )


@torch.inference_mode()
def _encode_windows(
    model: ClipModel,
    normalised: Tensor,
    plan: ImageFeatures,
    places: list[tuple[int, int]],
    recipe: Recipe,
) -> Tensor:
    """Return the fused features ``(B, g_h, g_w, D)`` of the windows at ``places``."""
    height, width = plan.rows.window, plan.columns.window
    windows = torch.stack([normalised[:, y : y + height, x : x + width] for y, x in places])
    extra = (plan.rows.padded - height, plan.columns.padded - width)
    if any(extra):
        # Only an image smaller than a window has an odd size; its last pixels are repeated.
        windows = functional.pad(windows, (0, extra[1], 0, extra[0]), mode="replicate")
    if not plan.settings.image_engineering:
        return patch_features(model.network, windows, recipe)[0]
    features, _ = patch_features(model.network, make_views(windows), recipe)
    return fuse_views(features, plan.settings.lam)


def _stack(known: dict[tuple[int, int], Tensor], rows: Axis, columns: Axis) -> Tensor:
    """Return the maps of all windows of a plan: ``(n_y, n_x, g_h, g_w, D)``."""
    return torch.stack([torch.stack([known[y, x] for x in columns.starts]) for y in rows.starts])
