"""Patch features of a whole image: computed once, kept, saved, scored against any vocabulary."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from napari_itaclip.errors import ImageError
from napari_itaclip.files import write_atomically
from napari_itaclip.segmentation.settings import (
    EncodeSettings,
    encode_settings_from_dict,
    encode_settings_to_dict,
)
from napari_itaclip.segmentation.windows import Axis, read_axis

_FORMAT = "napari-itaclip features 1"


@dataclass(frozen=True)
class ImageFeatures:
    """What the network has to say about an image, before any word is known.

    Attributes
    ----------
    features : Tensor, shape (n_y, n_x, g_h, g_w, D), float32
        Fused patch features of each window (views already mixed in).
    rows, columns : Axis
        Where the windows lie on the resized image.
    picture : ndarray of uint8, shape (h, w, 3)
        The resized RGB image that the windows were cut from; guides the refinement.
    shape : (int, int)
        Height and width of the original image in pixels.
    valid : ndarray of bool, shape (H, W), or None
        False where the original image has no value (NaN, transparent); None if it has everywhere.
    model : str
        Identity of the model that computed them.
    settings : EncodeSettings
        How they were computed.
    """

    features: Tensor
    rows: Axis
    columns: Axis
    picture: NDArray[np.uint8]
    shape: tuple[int, int]
    valid: NDArray[np.bool_] | None
    model: str
    settings: EncodeSettings

    @property
    def nbytes(self) -> int:
        """Memory that is held, in bytes."""
        valid = 0 if self.valid is None else self.valid.nbytes
        return self.features.nbytes + self.picture.nbytes + valid

    def to(self, device: torch.device | str) -> ImageFeatures:
        """Return the same features on another device."""
        return replace(self, features=self.features.to(device))

    def save(self, path: str | Path) -> None:
        """Write everything to a ``.safetensors`` file, atomically.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        tensors = {
            "features": self.features.cpu().contiguous(),
            "picture": torch.tensor(self.picture),
        }
        if self.valid is not None:
            tensors["valid"] = torch.tensor(self.valid)
        header = {
            "rows": asdict(self.rows),
            "columns": asdict(self.columns),
            "shape": self.shape,
            "model": self.model,
            "settings": encode_settings_to_dict(self.settings),
        }
        metadata = {"format": _FORMAT, "header": json.dumps(header)}
        write_atomically(Path(path), save(tensors, metadata))

    @classmethod
    def load(cls, path: str | Path) -> ImageFeatures:
        """Read what `save` wrote.

        Raises
        ------
        ImageError
            If the file is missing, damaged or something else.
        """
        path = Path(path)
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != _FORMAT:
                    raise ImageError(f"{path} holds no image features of this version.")
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return cls._from_parts(tensors, json.loads(metadata["header"]))
        except FileNotFoundError:
            raise ImageError(f"There is no file {path}.") from None
        except ImageError:
            raise
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError) as error:
            raise ImageError(
                f"{path} cannot be read as image features: {error}. Encode the image again."
            ) from error

    @classmethod
    def _from_parts(cls, tensors: dict[str, Tensor], header: dict[str, Any]) -> ImageFeatures:
        rows, columns = (
            read_axis({**header[name], "starts": tuple(header[name]["starts"])})
            for name in ("rows", "columns")
        )
        features, picture = tensors["features"], tensors["picture"].numpy()
        expected = (len(rows.starts), len(columns.starts), rows.grid, columns.grid)
        if (
            features.ndim != 5
            or features.shape[:4] != expected
            or features.dtype != torch.float32
            or picture.shape != (rows.length, columns.length, 3)
            or picture.dtype != np.uint8
        ):
            raise ValueError(
                f"features of {tuple(features.shape)} and a picture of {picture.shape} do not "
                f"belong to {expected[0]}x{expected[1]} windows"
            )
        height, width = (int(side) for side in header["shape"])
        valid = tensors["valid"].numpy() if "valid" in tensors else None
        if min(height, width) < 1 or (
            valid is not None and (valid.shape != (height, width) or valid.dtype != np.bool_)
        ):
            raise ValueError(f"the image's shape {height}x{width} does not fit")
        return cls(
            features=features,
            rows=rows,
            columns=columns,
            picture=picture,
            shape=(height, width),
            valid=valid,
            model=str(header["model"]),
            settings=encode_settings_from_dict(header["settings"]),
        )
