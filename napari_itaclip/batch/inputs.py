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
from napari_itaclip.formats.registry import STATE_FOLDER

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
            if self.path.exists() and not self.path.is_file():
                raise ImageError(f"{self.path} is no file")  # reading a pipe would wait for ever
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
            if self.page is None:  # its planes could not be counted: this says why
                stacks.zarr_arrays(self.path)
            return stacks.read_zarr_plane(self.path, self.array, self.page or 0)
        if self.page is not None:
            return stacks.read_tiff_plane(self.path, self.page)
        from napari_itaclip.segmentation.image_files import read_image

        try:
            return read_image(self.path)
        except ImageError as error:
            if stacks.is_too_large(self.path):
                raise stacks.too_large(self.path) from error
            raise

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
        If a file or folder is not there, if nothing is found at all, or if what is exported would
        lie among the images of the next run.
    ImageError
        If a Zarr folder or a list cannot be read.
    """
    ours = {absolute(target.folder) for target in job.exports} | {absolute(job.state_folder)}
    files: dict[Path, None] = {}
    roots = []
    for given in job.inputs:
        root, found = _expand(given, job.recursive)
        base = _searched(given)
        if base is not None:
            _check_apart(given, base, ours, recursive=job.recursive or "**" in Path(given).parts)
            found = [path for path in found if not _is_ours(path, base, ours)]
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


def _searched(given: Path | str) -> Path | None:
    """Return the folder that is searched; None where the files themselves are named."""
    path = absolute(Path(given))
    if path.exists():
        return path if path.is_dir() else None
    return _before_pattern(path)


def _check_apart(given: Path | str, base: Path, ours: set[Path], *, recursive: bool) -> None:
    """Refuse to search the folder that is exported to with everything in it."""
    if recursive and base in ours:
        raise SettingsError(
            f"{given} is searched with the folders inside it, and exported to: the next run would "
            f"label the files of this one. Export to a folder of its own, such as {base / 'out'}"
        )


def _is_ours(path: Path, base: Path, ours: set[Path]) -> bool:
    """Say whether a file lies in a data set of this batch below the folder that is searched."""
    for parent in path.parents:
        if parent == base:
            return False
        if parent in ours:
            return True
    return False


def _expand(given: Path | str, recursive: bool) -> tuple[Path, list[Path]]:
    """Return the folder that names start from, and the files."""
    path = absolute(Path(given))
    if path.is_dir() and not _is_zarr(path):
        return path, sorted(_walk(path, recursive))
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
    base = _before_pattern(pattern)
    return base.glob(pattern.relative_to(base).as_posix())


def _before_pattern(pattern: Path) -> Path:
    """Return the folder before the first part with a wildcard."""
    parts = pattern.parts
    first = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return Path(*parts[:first])


def _walk(folder: Path, recursive: bool) -> Iterator[Path]:
    """Yield the images of a folder; hidden ones and data sets written here are left out."""
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
            and not (here / name / STATE_FOLDER).is_dir()
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

        try:
            arrays = zarr_arrays(path)
        except ImageError:  # one image's affair, and told of when its turn comes
            return [(path, None, "")]
        return [(path, page, name) for name, count in arrays for page in range(count)]
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
