"""Corrections that were not accepted yet, kept on disk so that a crash loses none of them.

One PNG holds all there is to know of one image: red and green are the high and low byte of each
pixel's label, blue is 255 where a person edited it, and a comment says to which labels that
belongs. One file cannot be half new and half old.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from napari_itaclip.annotation.hand_edits import Labels, Mask
from napari_itaclip.errors import FormatError, ItaclipError, OutputError
from napari_itaclip.files import write_atomically
from napari_itaclip.formats.paths import inside

_COMMENT = "napari-itaclip autosave"
_SUFFIX = ".png"
_HIGHEST = 65535
_LEAST_COMPRESSION = 1
"""Written often and read seldom: speed before size."""


@dataclass(frozen=True, eq=False)
class Corrections:
    """Labels as a person left them.

    Attributes
    ----------
    labels : ndarray of uint8 or uint16, shape (H, W)
        All labels, edited or not.
    edited : ndarray of bool, shape (H, W)
        The pixels that a person edited.
    base : str
        Fingerprint of the labels that the edits were made on, see `fingerprint`.
    left_in_order : bool
        Whether the person went on to another image or closed the window after them. False in what
        a crash left behind.
    verdict : str
        What the person decided of the image with these labels; empty: nothing yet.
    """

    labels: Labels
    edited: Mask
    base: str
    left_in_order: bool = False
    verdict: str = ""

    def applied_to(self, labels: Labels) -> Labels:
        """Return a copy of labels ``(H, W)`` with the edited pixels put in.

        Raises
        ------
        FormatError
            If they are of another size.
        """
        if labels.shape != self.labels.shape:
            raise FormatError(
                f"the saved corrections are of {_size(self.labels)} pixels, the labels of "
                f"{_size(labels)}; the image was labelled again at another size: discard them"
            )
        merged = labels.astype(np.promote_types(labels.dtype, self.labels.dtype))
        merged[self.edited] = self.labels[self.edited]
        return merged


@dataclass(frozen=True, eq=False)
class SavedCorrections:
    """Corrections that were found on disk.

    Attributes
    ----------
    corrections : Corrections
        What they are.
    saved_at : datetime
        When they were written, in local time.
    """

    corrections: Corrections
    saved_at: datetime


def fingerprint(labels: Labels) -> str:
    """Return a text that is the same for labels ``(H, W)`` of equal values, whatever their type."""
    digest = hashlib.sha256(repr(labels.shape).encode())
    digest.update(np.ascontiguousarray(labels, "<u2").data)
    return digest.hexdigest()


def encode_corrections(corrections: Corrections) -> bytes:
    """Return corrections as the PNG that `decode_corrections` reads.

    Raises
    ------
    OutputError
        If a label is negative or above 65,535.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    labels = corrections.labels
    if labels.min() < 0 or labels.max() > _HIGHEST:
        raise OutputError(f"labels from 0 to {_HIGHEST} can be saved, these reach {labels.max()}")
    wide = labels.astype(np.uint16)
    pixels = np.empty((*labels.shape, 3), np.uint8)
    pixels[..., 0] = wide >> 8
    pixels[..., 1] = wide & 255
    pixels[..., 2] = np.where(corrections.edited, 255, 0)
    about = PngInfo()
    facts = {
        "base": corrections.base,
        "left_in_order": corrections.left_in_order,
        "verdict": corrections.verdict,
    }
    about.add_text(_COMMENT, json.dumps(facts))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=about, compress_level=_LEAST_COMPRESSION)
    return buffer.getvalue()


def decode_corrections(content: bytes, shape: tuple[int, int]) -> Corrections:
    """Return the corrections in a PNG.

    Parameters
    ----------
    content : bytes
        What `encode_corrections` gave.
    shape : (int, int)
        Height and width of the image that they belong to, in pixels. Others are not unpacked.

    Raises
    ------
    FormatError
        If it is no such PNG, damaged, or of another size.
    """
    from PIL.PngImagePlugin import PngImageFile

    try:
        # Not `Image.open`, which refuses very large images: this one's size is known.
        with PngImageFile(io.BytesIO(content)) as image:
            if (image.height, image.width) != shape:
                raise FormatError(
                    f"the saved corrections are of {image.width} × {image.height} pixels, the "
                    f"image of {shape[1]} × {shape[0]}"
                )
            image.load()
            facts: Any = json.loads(image.info[_COMMENT])
            pixels = np.asarray(image)
            base, left_in_order = str(facts["base"]), facts["left_in_order"] is True
            verdict = str(facts.get("verdict", ""))
    except FormatError:
        raise
    except Exception as error:  # Pillow fails in many ways on damaged files
        raise FormatError(f"the saved corrections cannot be read: {error}") from error
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise FormatError("the saved corrections cannot be read: they are no RGB picture")
    labels = (pixels[..., 0].astype(np.uint16) << 8) | pixels[..., 1]
    return Corrections(labels, pixels[..., 2] > 127, base, left_in_order, verdict)


Failed = Callable[[str, str], None]
"""Told the key of an image and what went wrong; called in the saving thread."""


class AutosaveFolder:
    """Keeps the corrections of every image of a batch in a folder; writes in a thread of its own.

    Of several corrections of one image that wait to be written, only the newest is.

    Parameters
    ----------
    folder : Path
        Where the files go; made when it is needed.
    failed : callable
        Told of every file that cannot be written.
    """

    def __init__(self, folder: Path, failed: Failed) -> None:
        self.folder = folder
        self._failed = failed
        self._waiting: dict[str, Callable[[], Corrections]] = {}
        self._last: dict[str, Future[None]] = {}
        self._saves: dict[str, int] = {}
        self._dismissed: dict[str, int] = {}
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "itaclip-autosave")

    def path(self, key: str) -> Path:
        """Return where the corrections of an image lie."""
        return inside(self.folder, key + _SUFFIX)

    def save(self, key: str, make: Callable[[], Corrections]) -> None:
        """Write corrections soon.

        Parameters
        ----------
        key : str
            The image.
        make : callable
            Returns the corrections; called in the saving thread, so it must hold a copy of the
            labels.
        """
        with self._lock:
            waits = key in self._waiting
            self._waiting[key] = make
            self._saves[key] = self._saves.get(key, 0) + 1
            if not waits:
                self._last[key] = self._thread.submit(self._write, key)

    def discard(self, key: str) -> None:
        """Remove the corrections of an image, also those that wait to be written."""
        with self._lock:
            self._waiting.pop(key, None)
            self._last[key] = self._thread.submit(self._remove, key)

    def dismiss(self, key: str) -> int:
        """Take no notice of what was saved of an image up to now, though it stays on disk.

        Returns
        -------
        int
            For `discard_dismissed`.
        """
        with self._lock:
            self._dismissed[key] = self._saves.get(key, 0)
            return self._dismissed[key]

    def discard_dismissed(self, key: str, dismissed: int) -> None:
        """Remove what `dismiss` was about, unless something newer was saved."""
        with self._lock:
            if self._saves.get(key, 0) != dismissed:
                return
            self._waiting.pop(key, None)
            self._last[key] = self._thread.submit(self._remove, key)

    def find(self, key: str, shape: tuple[int, int]) -> SavedCorrections | None:
        """Return what was saved of an image; None if there is nothing.

        Raises
        ------
        FormatError
            If there is something that cannot be read.
        """
        with self._lock:
            if self._dismissed.get(key, -1) == self._saves.get(key, 0):
                return None
            last = self._last.get(key)
        if last is not None:
            last.result()
        path = self.path(key)
        try:
            content = path.read_bytes()
            saved_at = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FormatError(f"{path} cannot be read: {error.strerror or error}") from error
        return SavedCorrections(decode_corrections(content, shape), saved_at)

    def flush(self) -> None:
        """Wait until everything is written or has failed."""
        self._thread.submit(lambda: None).result()

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self._thread.shutdown(wait=True)

    def _write(self, key: str) -> None:
        with self._lock:
            make = self._waiting.pop(key, None)
        if make is None:
            return
        try:
            write_atomically(self.path(key), encode_corrections(make()))
        except ItaclipError as error:
            self._failed(key, str(error))
        except MemoryError:
            self._failed(key, "there is not enough memory to save corrections")

    def _remove(self, key: str) -> None:
        with contextlib.suppress(OSError):
            self.path(key).unlink(missing_ok=True)


def _size(labels: Labels) -> str:
    return f"{labels.shape[1]} × {labels.shape[0]}"
