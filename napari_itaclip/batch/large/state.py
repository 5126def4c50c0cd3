"""What an unfinished run has finished: strips of labels on disk, and the scores of window rows.

The folder lies beside the result and is gone when the result is there. Labels and margins of the
working picture are plain files of numbers, written strip by strip; a strip counts as finished once
``progress.json`` says so, which is written last and whole. Every row of windows that the network
has looked at is kept until the strips that need it are finished. Killed at any moment, a run goes
on from there; assembling the result always starts anew.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_itaclip.batch._json import read_json, write_json
from napari_itaclip.errors import ItaclipError, OutputError
from napari_itaclip.files import write_atomically

_SCHEMA = 1


@dataclass
class Progress:
    """What has been finished and counted.

    Attributes
    ----------
    rows : int
        Rows of the working picture that are labelled.
    valid : int
        Pixels among them that show something.
    uncertainty : float
        Sum of ``1 - margin`` over them.
    pixels : dict of str to int
        Pixels of each id, of those that show something.
    confidence : dict of str to float
        Sum of the confidence over each id's pixels.
    """

    rows: int = 0
    valid: int = 0
    uncertainty: float = 0.0
    pixels: dict[str, int] = field(default_factory=dict)
    confidence: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Raster:
    """A plane of numbers in a file of its own, row by row.

    Attributes
    ----------
    path : Path
        The file.
    shape : (int, int)
        Height and width.
    dtype : numpy dtype
        Type of the numbers.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def write(self, top: int, rows: NDArray[Any]) -> None:
        """Write rows from ``top`` on, down to the disk."""
        try:
            with self.path.open("r+b" if self.path.exists() else "w+b") as file:
                file.seek(top * self.shape[1] * self.dtype.itemsize)
                file.write(np.ascontiguousarray(rows, self.dtype).tobytes())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written: {error.strerror or error}. What is finished is "
                "kept; the same command goes on from there."
            ) from error

    def rows(self, top: int, bottom: int) -> NDArray[Any]:
        """Read the rows ``top … bottom - 1``."""
        width = self.shape[1]
        values = np.fromfile(
            self.path,
            self.dtype,
            (bottom - top) * width,
            offset=top * width * self.dtype.itemsize,
        )
        return values.reshape(bottom - top, width)


class WorkFolder:
    """The folder of an unfinished run.

    Parameters
    ----------
    output : Path
        The result that it will become.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output.parent / f".{output.name}.itaclip"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder: one run at a time. A killed run holds nothing.

        Raises
        ------
        OutputError
            If another run works on this result, or the folder cannot be made.
        """
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / "lock", timeout=0)
            lock.acquire()
        except Timeout:
            raise OutputError(
                f"another run is writing {self.output}; wait until it ends."
            ) from None
        except OSError as error:
            raise OutputError(
                f"{self.folder} cannot be written: {error.strerror or error}."
            ) from error
        try:
            yield
        finally:
            lock.release()
            self._leave_nothing()

    def begin(self, job: Mapping[str, Any], *, restart: bool) -> Progress:
        """Go on with what is there, or begin.

        Parameters
        ----------
        job : mapping
            What the result depends on, as JSON values.
        restart : bool
            Throw away what an unfinished run has left.

        Raises
        ------
        OutputError
            If an unfinished run was about something else.
        """
        wanted = {"schema": _SCHEMA, **job}
        stored = self._read("job.json")
        if stored is not None and stored != wanted and not restart:
            different = [key for key in wanted if stored.get(key) != wanted[key]]
            raise OutputError(
                f"an unfinished run with another {' and another '.join(different) or 'version'} "
                f"lies in {self.folder}; repeat its settings to go on with it, or throw it away "
                "with --restart."
            )
        if stored != wanted or restart:
            self._clear()
            write_json(self.folder / "job.json", wanted)
        found = self._read("progress.json")
        try:
            return Progress() if found is None else Progress(**found)
        except TypeError:
            return Progress()

    def save(self, progress: Progress) -> None:
        """Say what is finished: the commit point."""
        write_json(self.folder / "progress.json", asdict(progress))

    def raster(self, name: str, shape: tuple[int, int], dtype: Any) -> Raster:
        """Return a plane of numbers in this folder."""
        return Raster(self.folder / f"{name}.raw", shape, np.dtype(dtype))

    def save_scores(self, number: int, scores: NDArray[np.float32]) -> None:
        """Keep the scores of a row of windows."""
        buffer = io.BytesIO()
        np.save(buffer, scores, allow_pickle=False)
        write_atomically(self._scores_path(number), buffer.getvalue())

    def load_scores(self, number: int, shape: tuple[int, int, int]) -> NDArray[np.float32] | None:
        """Return the scores of a row of windows, None when they are not there."""
        try:
            scores = np.load(self._scores_path(number), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return scores if scores.shape == shape and scores.dtype == np.float32 else None

    def drop_scores(self, number: int) -> None:
        """Forget the scores of a row of windows that no strip needs any more."""
        with contextlib.suppress(OSError):
            self._scores_path(number).unlink()

    def remove(self) -> None:
        """Remove the folder after the result is in its place."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _leave_nothing(self) -> None:
        """Remove the folder if nothing but the lock is left in it."""
        with contextlib.suppress(OSError):
            if all(path.name == "lock" for path in self.folder.iterdir()):
                shutil.rmtree(self.folder, ignore_errors=True)

    def _scores_path(self, number: int) -> Path:
        return self.folder / f"row-{number:07d}.npy"

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            found = read_json(path)
        except ItaclipError:
            return None
        return found if isinstance(found, dict) else None

    def _clear(self) -> None:
        """Remove everything but the lock."""
        for path in self.folder.iterdir():
            if path.name == "lock":
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
