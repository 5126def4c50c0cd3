"""The images of a batch: found in folders, patterns, lists and stacks, each with a name."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.batch._stored import sha256_of
from napari_itaclip.batch.naming import Plane, distinct_names
from napari_itaclip.batch.places import absolute
from napari_itaclip.errors import ImageError, SettingsError

if TYPE_CHECKING:
    from napari_itaclip.batch.job import BatchJob
    from napari_itaclip.segmentation.image import PreparedImage

IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".webp", ".ppm", ".pgm", ".pnm",
     ".jp2", ".gif")
)  # fmt: skip
"""Endings of the files that are taken from folders."""

LIST_SUFFIXES = frozenset((".txt", ".lst", ".list"))
"""Endings of the files that list images."""

_TIFF_SUFFIXES = frozenset((".tif", ".tiff"))
_MAX_LIST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class BatchInput:
    """One image to label.

    Attributes
    ----------
    name : str
        What it is called in the data set, see `LabelledImage.name`.
    path : Path
        Its file, absolute.
    page : int or None
        Its plane, for files that hold several.
    array : str
        Path of the array inside a Zarr group.
    scale : float
        Size at which it is read.
    """

    name: str
    path: Path
    page: int | None = None
    array: str = ""
    scale: float = 1.0

    def sha256(self) -> str:
        """Return the hash of the image's content: of the file and the page, or of the plane.

        Raises
        ------
        ImageError
            If it cannot be read.
        """
        try:
            if self.path.is_dir():
                from napari_itaclip.batch.stacks import array_sha256

                return array_sha256(self.read())
            stat = self.path.stat()
            whole = _file_sha256(self.path, stat.st_size, stat.st_mtime_ns)
        except FileNotFoundError:
            raise ImageError(f"there is no file {self.path}") from None
        except OSError as error:
            raise ImageError(f"cannot read {self.path}: {error.strerror or error}") from error
        if self.page is None:
            return whole
        return hashlib.sha256(f"{whole}:{self.page}".encode()).hexdigest()

    def read(self) -> NDArray[Any]:
        """Read the image: ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``.

        Raises
        ------
        ImageError
            If it cannot be read.
        """
        from napari_itaclip.batch import stacks

        if self.path.is_dir():
            return stacks.read_zarr_plane(self.path, self.array, self.page or 0)
        if self.page is not None:
            return stacks.read_tiff_plane(self.path, self.page)
        from napari_itaclip.segmentation.image_files import read_image

        return read_image(self.path)

    def prepare(self) -> PreparedImage:
        """Read the image and bring it to 8-bit RGB at the scale asked for.

        Raises
        ------
        ImageError
            If it cannot be read or is no picture.
        """
        from napari_itaclip.segmentation.image import prepare_image

        prepared = prepare_image(self.read())
        return prepared if self.scale == 1 else _scaled(prepared, self.scale)


def find_inputs(job: BatchJob, known: Mapping[Plane, str] | None = None) -> tuple[BatchInput, ...]:
    """Find the images of a job, in the order of their names.

    Parameters
    ----------
    job : BatchJob
        Says where to look.
    known : mapping, optional
        Names that images have already, by path, page and array: they keep them, whatever else is
        labelled this time.

    Raises
    ------
    SettingsError
        If a file or folder is not there, or nothing is found at all.
    ImageError
        If a Zarr folder or a list cannot be read.
    """
    ours = {target.folder.absolute() for target in job.exports} | {job.state_folder}
    files: dict[Path, None] = {}
    roots = []
    for given in job.inputs:
        root, found = _expand(given, job.recursive, ours)
        roots.append(root)
        files.update(dict.fromkeys(found))
    if not files:
        where = ", ".join(str(one) for one in job.inputs)
        raise SettingsError(
            f"there are no images in {where}"
            + ("" if job.recursive else "; with --recursive, folders inside are searched, too")
        )
    root = _common(roots)
    planes = [plane for path in files for plane in _planes(path)]
    stems = {plane: _stem(plane, root) for plane in planes}
    names = distinct_names(planes, stems, known or {})
    found_inputs = [BatchInput(names[plane], *plane, scale=job.scale) for plane in planes]
    return tuple(sorted(found_inputs, key=lambda one: one.name))


def _expand(given: Path | str, recursive: bool, ours: set[Path]) -> tuple[Path, list[Path]]:
    """Return the folder that names start from, and the files."""
    path = absolute(Path(given))
    if path.is_dir() and not _is_zarr(path):
        return path, sorted(_walk(path, recursive, ours))
    if path.exists():
        if path.suffix.lower() in LIST_SUFFIXES and path.is_file():
            return path.parent, list(_listed(path))
        return path.parent, [path]
    if isinstance(given, str) and glob.has_magic(given):
        found = sorted(hit for hit in _fitting(path) if hit.is_file() or _is_zarr(hit))
        if found:
            return _common([hit.parent for hit in found]), found
        raise SettingsError(f"the pattern {given!r} fits no file")
    raise SettingsError(f"there is no file or folder {given}")


def _fitting(pattern: Path) -> Iterator[Path]:
    """Yield what a pattern fits; ``**`` stands for any folders."""
    parts = pattern.parts
    first = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first]).glob("/".join(parts[first:]))


def _walk(folder: Path, recursive: bool, ours: set[Path]) -> Iterator[Path]:
    """Yield the images of a folder; hidden ones and what this batch has written are left out."""
    for parent, folders, names in os.walk(folder):
        here = Path(parent)
        zarrs = [name for name in folders if _is_zarr(here / name)]
        yield from (here / name for name in zarrs if not name.startswith("."))
        folders[:] = [
            name
            for name in folders
            if recursive
            and not name.startswith(".")
            and name not in zarrs
            and here / name not in ours
        ]
        for name in names:
            if Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith("."):
                yield here / name


def _listed(path: Path) -> Iterator[Path]:
    """Yield the files that a list names, relative to its folder."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_LIST_BYTES + 1)
        if len(raw) > _MAX_LIST_BYTES:
            raise ImageError(f"{path} is larger than {_MAX_LIST_BYTES >> 20} MiB: not a list")
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ImageError(f"{path} is not UTF-8 text: a list has one path per line") from error
    for line in text.splitlines():
        if line.strip():
            yield absolute(path.parent / line.strip())


def _planes(path: Path) -> list[Plane]:
    """Return a file's planes; one without a number for a plain image."""
    if _is_zarr(path):
        from napari_itaclip.batch.stacks import zarr_arrays

        return [(path, page, name) for name, count in zarr_arrays(path) for page in range(count)]
    if path.suffix.lower() in _TIFF_SUFFIXES and path.is_file():
        from napari_itaclip.batch.stacks import count_tiff_planes

        count = count_tiff_planes(path)
        if count > 1:
            return [(path, page, "") for page in range(count)]
    return [(path, None, "")]


def _stem(plane: Plane, root: Path) -> str:
    """Return a name relative to the root, without ending."""
    path, page, array = plane
    relative = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    stem = relative.with_suffix("").as_posix() if relative.suffix else relative.as_posix()
    parts = [stem, array] if array else [stem]
    if page is not None:
        parts.append(f"p{page + 1:04d}")
    return "/".join(parts)


def _common(paths: Iterable[Path]) -> Path:
    """Return the folder that all lie in; the first one's own on systems with drives."""
    several = list(dict.fromkeys(paths))
    try:
        return Path(os.path.commonpath(several))
    except ValueError:
        return several[0]


def _is_zarr(path: Path) -> bool:
    from napari_itaclip.batch.stacks import is_zarr

    return is_zarr(path)


@lru_cache(maxsize=64)
def _file_sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Return a file's hash; the planes of a stack share it while the file stays as it is."""
    return sha256_of(path)


def _scaled(image: PreparedImage, scale: float) -> PreparedImage:
    from napari_itaclip.segmentation.image import MIN_SIDE, PreparedImage
    from napari_itaclip.segmentation.resize import resize_picture

    height, width = (max(MIN_SIDE, round(side * scale)) for side in image.shape)
    valid = image.valid
    if valid is not None:
        rows = np.arange(height) * image.shape[0] // height
        columns = np.arange(width) * image.shape[1] // width
        valid = valid[rows[:, None], columns]
    return PreparedImage(resize_picture(image.rgb, (height, width), antialias=True), valid)
