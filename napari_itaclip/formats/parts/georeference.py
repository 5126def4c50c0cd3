"""Where pictures lie on Earth: reading it from files, and coordinates there and back."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import Georeference
from napari_itaclip.formats.parts.extras import needed

WGS84 = "EPSG:4326"
"""Longitude and latitude in degrees, what GeoJSON prescribes."""

_FINER = 1e-4
"""Part of a pixel that written coordinates are exact to."""

_DRIVERS = {
    ".tif": "GTiff",
    ".tiff": "GTiff",
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jp2": "JP2OpenJPEG",
}
"""What files are opened as, by ending: nothing that refers to others, or to the network."""

Points = NDArray[np.float64]
"""Points ``(N, 2)`` as ``(x, y)``."""


def read_georeference(path: Path) -> Georeference | None:
    """Return where a picture lies on Earth.

    Parameters
    ----------
    path
        GeoTIFF, JPEG 2000, or a PNG or JPEG with a world file.

    Returns
    -------
    Georeference or None
        None if the file does not say, cannot be read, or rasterio is not installed (the extra
        ``geo``).
    """
    try:
        import rasterio
    except ImportError:
        return None
    driver = _DRIVERS.get(path.suffix.lower())
    if driver is None:
        return None
    try:
        with quiet(), rasterio.open(path, driver=driver) as dataset:
            return georeference_of(dataset)
    except (OSError, ValueError, rasterio.errors.RasterioError):
        return None


def georeference_of(dataset: Any) -> Georeference | None:
    """Return where a picture that rasterio has opened lies, None if it does not say."""
    transform = tuple(float(part) for part in tuple(dataset.transform)[:6])
    crs = dataset.crs.to_wkt() if dataset.crs else ""
    if not crs and transform == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0):
        return None
    a, b, c, d, e, f = transform
    return Georeference((a, b, c, d, e, f), crs)


def parsed_crs(crs: str) -> Any:
    """Return a coordinate reference system for rasterio.

    Raises
    ------
    FormatError
        If it is neither WKT nor a code such as "EPSG:32633".
    """
    module = needed("rasterio.crs", "A coordinate reference system", "geo")
    errors = needed("rasterio.errors", "A coordinate reference system", "geo")
    try:
        with quiet():
            return module.CRS.from_user_input(crs)
    except (errors.RasterioError, ValueError) as error:
        raise FormatError(
            f"the coordinate reference system {crs[:60]!r} is not known: {error}"
        ) from error


class Place:
    """Turns coordinates of pixels into longitude and latitude, and back.

    Parameters
    ----------
    georeference
        With a coordinate reference system.
    other
        The coordinate reference system of the coordinates on Earth, for files that ignore what
        GeoJSON prescribes.
    """

    def __init__(self, georeference: Georeference, other: str = WGS84) -> None:
        """Look up the coordinate reference systems."""
        self._other = parsed_crs(other)
        self._warp = needed("rasterio.warp", "GeoJSON with a place on Earth", "geo")
        self._crs = parsed_crs(georeference.crs)
        a, b, c, d, e, f = georeference.transform
        self._matrix = np.array([[a, b], [d, e]])
        self._offset = np.array([c, f])
        determinant = a * e - b * d
        if not math.isfinite(determinant) or determinant == 0:
            raise FormatError("the image's place on Earth has no area: its transform is singular")

    def to_degrees(self, pixels: Points) -> Points:
        """Return longitude and latitude of points ``(column, row)``."""
        return self._warped(pixels @ self._matrix.T + self._offset, self._crs, self._other)

    def to_pixels(self, degrees: Points) -> Points:
        """Return the points ``(column, row)`` of longitudes and latitudes."""
        there = self._warped(degrees, self._other, self._crs) - self._offset
        found: Points = np.linalg.solve(self._matrix, there.T).T
        return found

    def decimals(self, shape: tuple[int, int]) -> int:
        """Return how many decimals of a degree tell a small part of a pixel apart."""
        row, column = shape[0] / 2, shape[1] / 2
        around = np.array([[column, row], [column + 1, row], [column, row + 1]])
        steps = np.diff(self.to_degrees(around), axis=0)
        step = float(np.abs(steps).max(axis=1).min())
        if not math.isfinite(step) or step == 0:
            raise FormatError("the image's place on Earth has no longitude and latitude")
        return min(max(math.ceil(-math.log10(step * _FINER)), 7), 15)

    def _warped(self, points: Points, source: Any, target: Any) -> Points:
        """Return points in another coordinate reference system."""
        errors = needed("rasterio.errors", "GeoJSON with a place on Earth", "geo")
        try:
            xs, ys = self._warp.transform(source, target, points[:, 0], points[:, 1])
        except (errors.RasterioError, ValueError, RuntimeError) as error:
            raise FormatError(f"coordinates cannot be converted: {error}") from error
        found = np.column_stack([xs, ys]).astype(np.float64)
        if not np.isfinite(found).all():
            raise FormatError("some coordinates have no place in the coordinate reference system")
        return found


def together(convert: Callable[[Points], Points], rings: Sequence[Points]) -> list[Points]:
    """Convert the points of many rings at once, which is much faster than one by one."""
    if not rings:
        return []
    ends = np.cumsum([len(ring) for ring in rings])[:-1]
    return np.split(convert(np.concatenate(rings)), ends)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the warning that a picture lies nowhere on Earth: most do."""
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
